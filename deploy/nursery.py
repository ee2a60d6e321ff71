"""One process that has loaded the house and forks those of the stack: what they load is paid for once, and its pages shared.

Nothing runs in it beside: no thread, no connection, no secret. What a child is to be, it alone reads, after the fork.
"""

import ctypes
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Self

from deploy.topology import Process

ANSWER_SECONDS = 60.0
"""How long loading may take on a busy machine."""
PID_BYTES = 8
ARG_START, ARG_END = 45, 46
"""Fields 48 and 49 of proc_pid_stat(5), counted from behind the name: where the command line lies in memory."""
LATE = ("uvicorn.loops.uvloop", "uvicorn.protocols.http.httptools_impl", "uvicorn.lifespan.on")
"""What uvicorn loads by name once it serves."""


class NurseryError(Exception):
    """No process can be forked; the text is one line for a person."""


@dataclass(frozen=True, slots=True)
class Forked:
    """A process forked by the nursery, handled as one of `subprocess.Popen`; how it ended is not known."""

    pid: int
    line: socket.socket
    """The child holds the other end for as long as it lives."""

    def ended(self, seconds: float | None = 0) -> bool:
        """Whether it has ended within so many seconds; without a number, wait for it."""
        return self.line.fileno() < 0 or bool(select.select([self.line], [], [], seconds)[0])

    def wait(self, seconds: float | None = None) -> None:
        """Return when it has ended; raise `TimeoutError` if it has not by then."""
        if not self.ended(seconds):
            message = f"process {self.pid} still runs"
            raise TimeoutError(message)
        self.line.close()

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended: its number could be another's by then."""
        if not self.ended():
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


class Nursery:
    """Forks processes as they are asked for; what it forked outlives it."""

    def __init__(self, processes: Sequence[Process], log: Path) -> None:
        self._control, theirs = socket.socketpair()
        self._control.settimeout(ANSWER_SECONDS)
        self._one_at_a_time = threading.Lock()
        with theirs, log.open("ab") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "deploy.nursery", str(theirs.fileno()), *_modules(processes)],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process from which the others are forked."""
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fork(self, process: Process, environment: Mapping[str, str], log: IO[bytes]) -> Forked:
        """Start a process with just this environment; what it says goes to `log`. Raises `NurseryError`."""
        line, theirs = socket.socketpair()
        with ExitStack() as undo:
            undo.enter_context(line)
            with theirs:
                pid = self._ask(theirs.fileno(), log.fileno())
            line.sendall(json.dumps([process.arguments, dict(environment)]).encode())
            line.shutdown(socket.SHUT_WR)
            undo.pop_all()
        return Forked(pid, line)

    def close(self) -> None:
        """Fork no more."""
        self._control.close()
        self._process.terminate()
        self._process.wait()

    def _ask(self, *handles: int) -> int:
        try:
            with self._one_at_a_time:
                socket.send_fds(self._control, [b"+"], handles)
                answer = self._control.recv(PID_BYTES)
        except OSError:
            answer = b""
        if not answer:
            message = "the process that forks the others has ended"
            raise NurseryError(message)
        return int.from_bytes(answer)


def _modules(processes: Sequence[Process]) -> list[str]:
    """Return what the command lines name: `-m MODULE`, and the `MODULE:FUNCTION` that may follow."""
    words = {word.partition(":")[0] for process in processes for word in process.arguments[1:3]}
    return sorted(word for word in words if not word.startswith("-"))


def main() -> None:
    """Load, then fork as asked until nobody is left to ask."""
    control = socket.socket(fileno=int(sys.argv[1]))
    # A collection would touch every object, and a freed place be written anew: each a page that is shared no longer.
    gc.disable()
    for name in (*LATE, *sys.argv[2:]):
        entry(name)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    if handles := _forked(control):
        control.close()
        _become(*handles)


def entry(name: str) -> Any:
    """Load what `python -m NAME` would run, under its own name."""
    module = import_module(name)
    return import_module(f"{name}.__main__") if hasattr(module, "__path__") else module


def _forked(control: socket.socket) -> list[int]:
    """Fork for each request; return its handles in the child, and nothing in the parent, once nobody asks any more."""
    while True:
        asked, handles, *_ = socket.recv_fds(control, 1, 2)
        if not asked:
            return []
        pid = os.fork()
        if not pid:
            return handles
        for handle in handles:
            os.close(handle)
        control.sendall(pid.to_bytes(PID_BYTES))


def _become(line: int, log: int) -> None:
    """Be the process that is told through `line`, and keep that open for as long as it lives."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for standard in (1, 2):
        os.dup2(log, standard)
    os.close(log)
    os.set_inheritable(line, False)
    with os.fdopen(line, "rb", closefd=False) as told:
        arguments, environment = json.load(told)
    os.environ.clear()
    os.environ.update(environment)
    _rename([sys.executable, *arguments])
    gc.enable()
    _, name, *sys.argv[1:] = arguments
    sys.exit(entry(name).main())


def _rename(words: Sequence[str]) -> None:
    """Let `ps` tell this process from its siblings: write its command line over the one it was forked with (Linux)."""
    status = Path("/proc/self/stat")
    if status.exists():
        fields = status.read_text().rpartition(")")[2].split()
        start, end = int(fields[ARG_START]), int(fields[ARG_END])
        written = "\0".join(words).encode()[: end - start - 1]
        ctypes.memmove(start, written.ljust(end - start, b"\0"), end - start)


if __name__ == "__main__":
    main()
