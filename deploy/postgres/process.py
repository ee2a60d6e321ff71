"""The server's process: one at a time per folder, started apart from our terminal, and never left behind by us.

A watcher, a shell that reads a pipe of ours, sends the server its orderly SIGINT when the pipe ends, however we ended.
PR_SET_PDEATHSIG would fire when the starting thread ends, not the process, and exists on Linux alone.
"""

import fcntl
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from deploy.postgres.cluster import ENVIRONMENT
from deploy.postgres.errors import ServerError
from deploy.postgres.folders import MARK, open_private
from deploy.postgres.place import Place

STEP = 0.02
_LEAVING = 1.0
_STOPPING = 15.0
_WATCH = 'while read -r _; do :; done; kill -INT "$1"'


class Postmaster:
    """A running PostgreSQL server and its watcher."""

    def __init__(self, command: list[str], place: Place, log: int, lock: int) -> None:
        account = place.account
        self._server = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=(lock,),  # All of the server's processes hold the lock: it is free when the last has gone.
            cwd="/",
            env=ENVIRONMENT,
            umask=0o077,
            start_new_session=True,
            user=account.uid,
            group=account.gid,
            extra_groups=account.groups,
        )
        self.pid = self._server.pid
        try:
            self._watcher = subprocess.Popen(
                ["/bin/sh", "-c", _WATCH, "sh", str(self.pid)],
                stdin=subprocess.PIPE,
                cwd="/",
                start_new_session=True,
                user=account.uid,
                group=account.gid,
                extra_groups=account.groups,
            )
        except OSError:
            self._server.kill()
            self._server.wait()
            raise

    @property
    def running(self) -> bool:
        """Whether the server's process lives."""
        if self._server.poll() is None:
            return True
        self._release_watcher()  # The process id may soon be someone else's.
        return False

    def stop(self) -> None:
        """End the server within 10 s in fast mode (SIGINT: clients are sent away, data are flushed), else harder."""
        for sent, patience in ((signal.SIGINT, 10), (signal.SIGQUIT, 5), (signal.SIGKILL, None)):
            self._server.send_signal(sent)
            with suppress(subprocess.TimeoutExpired):
                self._server.wait(patience)
                break
        self._release_watcher()

    def _release_watcher(self) -> None:
        self._watcher.kill()
        self._watcher.wait()
        if self._watcher.stdin:
            self._watcher.stdin.close()


def take_lock(place: Place) -> int:
    """Hold the folder's lock and return its descriptor; waits while an earlier server is on its way out.

    Raises `ServerError` when another server runs there.
    """
    lock = open_private(place.folder / MARK, place.account)
    begun = time.monotonic()
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            patience = _STOPPING if _status(place.data) == "stopping" else _LEAVING
            if time.monotonic() - begun > patience:
                os.close(lock)
                raise _occupied(place.data) from None
            time.sleep(STEP)
        else:
            return lock


def clear_leftovers(data: Path, sockets: Path | None) -> None:
    """Remove what a killed server left; call it with the lock held.

    PostgreSQL itself overrules a process id that is gone, but not one that has since been given to another program.
    """
    pid = _postmaster_pid(data)
    if pid is not None and _serves(pid, data):
        raise _occupied(data)
    if pid is not None and _lives(pid):
        (data / "postmaster.pid").unlink()
    for socket in sockets.glob(".s.PGSQL.*") if sockets else ():
        socket.unlink()


def is_ready(data: Path) -> bool:
    """Say whether the server that holds the folder's lock takes connections."""
    return _status(data) == "ready"


def port_of(data: Path) -> int | None:
    """Return the port on 127.0.0.1 of a server that is ready; `None` for one that has a Unix socket alone."""
    lines = _pid_lines(data)
    return int(lines[3]) if lines[5].strip() else None


def _occupied(data: Path) -> ServerError:
    pid = _postmaster_pid(data)
    return ServerError(f"another PostgreSQL runs on {data} (process {pid or 'just starting'}): stop it first.")


def _pid_lines(data: Path) -> list[str]:
    with suppress(OSError):
        return (data / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
    return []


def _postmaster_pid(data: Path) -> int | None:
    with suppress(ValueError, IndexError):
        return int(_pid_lines(data)[0])
    return None


def _status(data: Path) -> str:
    return "".join(_pid_lines(data)[7:8]).strip()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _serves(pid: int, data: Path) -> bool:
    """Whether the process is a server of this folder: PostgreSQL works from inside its data folder."""
    if not Path("/proc/self/cwd").exists():
        return _lives(pid)
    with suppress(OSError):
        return Path(f"/proc/{pid}/cwd").readlink() == data
    return False
