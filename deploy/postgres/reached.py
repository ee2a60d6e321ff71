"""The server of a state folder for a command beside it: the one that runs there, or one for as long as it is needed."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.postgres import place, process
from deploy.postgres.errors import ServerError
from deploy.postgres.folders import MARK
from deploy.postgres.server import Server

PATIENCE = 30.0
"""Seconds for a server that is starting or stopping."""


@contextmanager
def reached(state: Path) -> Iterator[Server]:
    """Lend the server on this folder and leave it as it was, running or not; raises `ServerError`."""
    server = Server(state)
    if not (server.folder / MARK).exists():
        msg = f"there is no database on {state}."
        raise ServerError(msg)
    if _runs(server):
        yield Server(state, process.port_of(server.folder / "data"))
        return
    with server:
        yield server


def _runs(server: Server) -> bool:
    deadline = time.monotonic() + PATIENCE
    while place.is_held(server.folder / MARK):
        if process.is_ready(server.folder / "data"):
            return True
        if time.monotonic() > deadline:
            msg = f"the PostgreSQL on {server.folder} neither starts nor stops: see {server.log}."
            raise ServerError(msg)
        time.sleep(process.STEP)
    return False
