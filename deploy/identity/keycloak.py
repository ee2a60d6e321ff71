"""A real Keycloak as a child process: the stock distribution from Maven, one private folder.

python -m deploy.identity.keycloak install STATE     unpack and prepare it in STATE/dist, once
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from deploy.identity.realm import REALM, text_of
from deploy.maven import Recipe, java
from deploy.topology import IDENTITY, LOOPBACK

HERE = Path(__file__).parent
STATE = HERE.parents[1] / "var" / "keycloak"
START_SECONDS = 300.0
STOP_SECONDS = 30.0
BUILD = ("--db=dev-file", f"--http-relative-path=/{IDENTITY}")
"""What the distribution is prepared with, so that a start need not do it again."""
SHARED = ("bin", "conf", "lib", "providers", "themes")
"""What many servers read from one distribution; what one writes lies in its own folder."""
JAVA_OPTIONS = "-Xms64m -Xmx512m -XX:MaxMetaspaceSize=256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1"
ADMINISTRATOR = "admin"


class KeycloakError(RuntimeError):
    """Keycloak cannot be installed or run here; the message is one line and says what to do."""


def _prepare(coming: Path) -> None:
    """Take the distribution out of the folder that carries its version, and build it."""
    (unpacked,) = coming.glob("keycloak-*")
    for part in unpacked.iterdir():
        part.rename(coming / part.name)
    unpacked.rmdir()
    build = [str(coming / "bin" / "kc.sh"), "build", *BUILD]
    ran = subprocess.run(build, env=_environment(), capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        reason = (ran.stdout + ran.stderr).strip().splitlines() or ["no reason given"]
        message = f"Keycloak could not be prepared: {reason[-1]}"
        raise KeycloakError(message)


RECIPE = Recipe("Keycloak", HERE / "pom.xml", "unpack-dependencies", KeycloakError, _prepare)


def installed(state: Path) -> bool:
    """Whether `state/dist` holds the Keycloak that the present pom.xml asks for."""
    return RECIPE.installed(state / "dist")


def install(state: Path) -> Path:
    """Unpack Keycloak (190 MB) into `state/dist`, build it and return that folder; do nothing when it is there."""
    return RECIPE.install(state / "dist")


class Keycloak:
    """One server at 127.0.0.1:`port`, over one private folder that holds its database, its realms and its log.

    Callers reach it through the gateway at the `PUBLIC_URL` of `settings`, and so its tokens name that address.
    `settings` are the environment's values for the places in the realms and `KC_BOOTSTRAP_ADMIN_PASSWORD`. Realms are
    imported at the first start over a folder.
    """

    def __init__(
        self, state: Path, port: int, folder: Path, realms: Iterable[Mapping[str, Any]], settings: Mapping[str, str]
    ) -> None:
        self.port = port
        self.url = f"http://{LOOPBACK}:{port}/{IDENTITY}"
        self.public_url = f"{settings['PUBLIC_URL']}/{IDENTITY}"
        self.folder = folder.absolute()
        self.log = self.folder / "keycloak.log"
        self._dist = (state / "dist").absolute()
        self._realms = {str(realm["realm"]): text_of(dict(realm)) for realm in realms}
        self._settings = dict(settings)
        self._process: subprocess.Popen[bytes] | None = None

    def issuer(self, realm: str = REALM) -> str:
        """Return the `iss` of a realm's tokens, which is also where people find the realm."""
        return f"{self.public_url}/realms/{realm}"

    def endpoint(self, name: str, realm: str = REALM) -> str:
        """Return the address of `token`, `certs` … of a realm, for those who need no gateway."""
        return f"{self.url}/realms/{realm}/protocol/openid-connect/{name}"

    def start(self) -> None:
        """Return when every realm answers; raise `KeycloakError` when one does not in time."""
        self._furnish()
        environment = {**_environment(), "KC_BOOTSTRAP_ADMIN_USERNAME": ADMINISTRATOR, **self._settings}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command(),
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._await(self._process)

    def stop(self) -> None:
        """End the server as an operator would (SIGTERM); kill it when that takes longer than half a minute."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
            self._process = None
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the server, and the script that holds it, as a power cut would (SIGKILL)."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None

    def _await(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        with httpx.Client(timeout=5, trust_env=False) as client:
            while not all(_answers(client, f"{self.url}/realms/{realm}") for realm in self._realms):
                if process.poll() is not None or time.monotonic() > deadline:
                    self.kill()
                    message = f"Keycloak did not come up on port {self.port}; see {self.log}"
                    raise KeycloakError(message)
                time.sleep(0.5)

    def _furnish(self) -> None:
        """Make the folder: what is shared as links, what is imported as files, all of it closed to others."""
        imports = self.folder / "data" / "import"
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        imports.mkdir(mode=0o700, parents=True, exist_ok=True)
        for part in SHARED:
            if not (self.folder / part).is_symlink():
                (self.folder / part).symlink_to(self._dist / part)
        for realm, text in self._realms.items():
            (imports / f"{realm}-realm.json").write_text(text, encoding="utf-8")

    def _command(self) -> list[str]:
        listen = (f"--http-host={LOOPBACK}", f"--http-port={self.port}", "--http-enabled=true")
        behind = (
            f"--hostname={self.public_url}",
            "--proxy-headers=xforwarded",
            f"--proxy-trusted-addresses={LOOPBACK}",
        )
        own = (f"-Dkc.home.dir={self.folder}", f"-Djava.io.tmpdir={self.folder}")
        script = str(self._dist / "bin" / "kc.sh")
        return [script, "start", "--optimized", "--import-realm", "--cache=local", *listen, *behind, *own]

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _environment() -> dict[str, str]:
    """Return what the script needs, and nothing of ours: a realm could name any variable that it finds."""
    return {"PATH": os.environ["PATH"], "JAVA": java("Keycloak", KeycloakError), "JAVA_OPTS": JAVA_OPTIONS}


def _answers(client: httpx.Client, address: str) -> bool:
    try:
        return client.get(address).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def main(arguments: list[str]) -> int:
    """Install, as the module's first sentences say; answer 2 to anything else."""
    match arguments:
        case ["install", state]:
            print(install(Path(state)))
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeycloakError as error:
        sys.exit(str(error))
