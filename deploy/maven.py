"""Java, and what Maven brings for it: the folder that a pom.xml describes, made once and put in place whole."""

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

OLDEST_JAVA = 17
STAMP = ".pom.sha256"


def java(purpose: str, failure: type[Exception]) -> str:
    """Return the path of a Java that can run `purpose`; raise `failure` when there is none."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=str(Path(home) / "bin")) if home else shutil.which("java")
    if found is None:
        message = f"{purpose} needs Java {OLDEST_JAVA} or newer (Debian: apt install openjdk-17-jre-headless)"
        raise failure(message)
    said = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < OLDEST_JAVA:
        message = f"{purpose} needs Java {OLDEST_JAVA} or newer, and {found} is older; set JAVA_HOME to another"
        raise failure(message)
    return found


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a part is made of: its pom.xml, the goal of Maven's dependency plugin, and what to do with the files once."""

    purpose: str
    pom: Path
    goal: str
    failure: type[Exception]
    finish: Callable[[Path], None] = lambda _folder: None

    def installed(self, folder: Path) -> bool:
        """Whether the folder holds what the present pom.xml asks for."""
        stamp = folder / STAMP
        return stamp.is_file() and stamp.read_text() == self._wanted()

    def install(self, folder: Path) -> Path:
        """Make the folder and return it; do nothing when it is there; raise `failure` with one line that says what to do."""
        java(self.purpose, self.failure)
        if self.installed(folder):
            return folder
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        coming = folder.with_name(f"{folder.name}.{os.getpid()}")
        shutil.rmtree(coming, ignore_errors=True)
        try:
            self._resolve(coming)
            self.finish(coming)
            (coming / STAMP).write_text(self._wanted())
            self._put_in_place(coming, folder)
        finally:
            shutil.rmtree(coming, ignore_errors=True)
        return folder

    def _resolve(self, coming: Path) -> None:
        maven = shutil.which("mvn")
        if maven is None:
            message = f"the jars of {self.purpose} are resolved by Maven, and there is no mvn here (Debian: apt install maven)"
            raise self.failure(message)
        into = [f"-DoutputDirectory={coming.absolute()}", f"-DmarkersDirectory={coming.absolute() / '.markers'}"]
        command = [maven, "-q", "-B", "-f", str(self.pom), f"dependency:{self.goal}", "-DincludeScope=runtime", *into]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode != 0:
            reason = next((line for line in ran.stdout.splitlines() if line.startswith("[ERROR]")), "no reason given")
            message = f"Maven could not resolve the jars of {self.purpose}: {reason}"
            raise self.failure(message)

    def _put_in_place(self, coming: Path, folder: Path) -> None:
        """Rename, so that nobody ever sees half a folder; where another process was first, its files are the same."""
        if not self.installed(folder):
            shutil.rmtree(folder, ignore_errors=True)
            with contextlib.suppress(OSError):
                coming.rename(folder)

    def _wanted(self) -> str:
        return hashlib.sha256(self.pom.read_bytes()).hexdigest()
