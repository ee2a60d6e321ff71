"""The database taken away from running processes, and given back, each way a server can end."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from deploy.postgres import Server, ServerError
from tests.faults.street import until

WAYS = {"fast shutdown": signal.SIGINT, "immediate shutdown": signal.SIGQUIT, "crash": signal.SIGKILL}


@contextmanager
def away(server: Server, way: signal.Signals) -> Iterator[None]:
    """End the server in one of the ways for the length of the block."""
    assert server.pid is not None
    os.kill(server.pid, way)
    until(lambda: server.pid is None, "the server has ended")
    yield
    begin_again(server)


def begin_again(server: Server) -> None:
    """Start a server as a supervisor would: again and again until it stands."""
    until(lambda: _stands(server), "the server stands again")


def _stands(server: Server) -> bool:
    with suppress(ServerError):
        server.start()
        return True
    time.sleep(0.2)
    return False
