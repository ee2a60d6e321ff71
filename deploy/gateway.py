"""The gateway: nginx under a configuration of ours, as a child of the stack or in a file for Docker Compose."""

import grp
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy import topology
from deploy.nginx.site import USUAL, Limits, Site, compose_site, render
from deploy.nginx.template import TEMPLATES

__all__ = ["COMPOSE_FILE", "Gateway", "GatewayError", "Limits", "Site", "compose_site", "find_nginx", "render"]

COMPOSE_FILE = TEMPLATES / "compose.conf"
START_SECONDS = 15.0
STOP_SECONDS = 15.0


class GatewayError(Exception):
    """The gateway cannot run; the text is one line to show as it stands."""


class Gateway:
    """nginx as a child process at 127.0.0.1:`port`, with everything it writes inside the folder `state`.

    Of an upstream that is named in `passes` only those paths are let in; see `Door`.
    """

    def __init__(
        self,
        state: Path,
        port: int,
        upstreams: Mapping[str, str],
        limits: Limits = USUAL,
        passes: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self.state = state.resolve()
        self.port = port
        self.site = Site(
            listen=(f"{topology.LOOPBACK}:{port}",),
            upstreams=upstreams,
            folder=str(self.state),
            access_log=str(self.access_log),
            error_log=str(self.error_log),
            user=_unprivileged() if os.geteuid() == 0 else None,
            limits=limits,
            passes=passes or {},
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{topology.LOOPBACK}:{self.port}"

    @property
    def access_log(self) -> Path:
        """One JSON object per request: ids, status and times, never a query string, a body or a token."""
        return self.state / "access.log"

    @property
    def error_log(self) -> Path:
        """What befell nginx itself."""
        return self.state / "error.log"

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Return once it accepts connections; raises `GatewayError` when nginx is missing or refuses to start."""
        if self.running:
            return
        nginx = find_nginx()
        self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        configuration = self.state / "gateway.conf"
        configuration.write_text(render(self.site), encoding="utf-8")
        pid_file = self.state / "gateway.pid"
        pid_file.unlink(missing_ok=True)
        command = [nginx, "-e", str(self.error_log), "-p", str(self.state), "-c", str(configuration)]
        # A group of its own: Ctrl-C in a terminal reaches the stack, which stops its parts in order.
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._await(pid_file, self._process)

    def stop(self) -> None:
        """Let the requests in flight finish, then end; a worker that does not is killed."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGQUIT)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            _kill_group(process)

    def kill(self) -> None:
        """End it as a power cut would (SIGKILL), nginx with its workers."""
        process, self._process = self._process, None
        if process is not None:
            _kill_group(process)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _await(self, pid_file: Path, process: subprocess.Popen[bytes]) -> None:
        # nginx writes the file after it has bound its port; that the port answers might be another program's doing.
        deadline = time.monotonic() + START_SECONDS
        while not (pid_file.exists() and pid_file.read_text().strip() == str(process.pid)):
            if process.poll() is not None:
                self._process = None
                raise GatewayError(f"nginx did not start: {self._last_words()}")
            if time.monotonic() > deadline:
                self._process = None
                _kill_group(process)
                raise GatewayError(f"nginx was not ready after {START_SECONDS:.0f} s")
            time.sleep(0.02)

    def _last_words(self) -> str:
        lines = (
            self.error_log.read_text(encoding="utf-8", errors="replace").splitlines() if self.error_log.exists() else []
        )
        telling = [line for line in lines if "[emerg]" in line and "still could not bind" not in line]
        # A line reads `date time [emerg] process#thread: what is wrong`.
        return telling[-1].partition("[emerg] ")[2].partition(": ")[2] if telling else "it said nothing"


def find_nginx(folders: str | None = None) -> str:
    """Return the path of nginx, sought in `folders` (as in PATH, which is the default, with the `sbin` folders).

    Raises `GatewayError` where it is missing.
    """
    folders = folders or os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin"])
    nginx = shutil.which("nginx", path=folders)
    if nginx is None:
        raise GatewayError("nginx is missing: install nginx (Debian: apt-get install nginx)")
    return nginx


def main() -> None:
    """Write the configuration that Docker Compose mounts."""
    COMPOSE_FILE.write_text(render(compose_site()), encoding="utf-8")
    print(f"wrote {COMPOSE_FILE}")


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _unprivileged() -> str:
    for name in ("www-data", "nginx", "nobody"):
        with suppress(KeyError):
            user = pwd.getpwnam(name)
            return f"{name} {grp.getgrgid(user.pw_gid).gr_name}"
    raise GatewayError("no user www-data, nginx or nobody for nginx to run as")


if __name__ == "__main__":
    main()
