"""Running the house's own commands as a person would, and reading what they print."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parents[2]
PATIENCE = 120.0


def environment() -> dict[str, str]:
    """Return a clean environment: what a developer set for another house must not leak into this one."""
    ours = ("INTAKE_", "HOTLINE_", "REFERRAL_", "REGISTRY_", "OIDC_", "KAFKA_", "LINK_", "PUBLIC_", "ENV", "TRUSTED_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def run(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the house to its end."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


class Running:
    """A command that runs until it is told to stop; `lines` is what it printed so far."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._command = [sys.executable, "-m", module, *arguments]
        self.lines: list[str] = []

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.interrupt()

    def wait_for(self, words: str) -> str:
        """Return the first line that holds these words."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for line in self.lines:
                if words in line:
                    return line
            if self._process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError("\n".join([f"never said {words!r}:", *self.lines[-30:]]))

    def interrupt(self) -> int:
        """Press Ctrl-C and return the exit code."""
        self._process.send_signal(signal.SIGINT)
        code = self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                self.lines.append(line.rstrip())
