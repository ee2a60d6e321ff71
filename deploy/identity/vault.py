"""The folder of the issuer's secrets: closed to others, files written whole or not at all, one writer at a time."""

import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.identity import IdentityError

OPEN_TO_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class OpenFolderError(IdentityError):
    """The state folder can be entered by other users of the machine."""


@contextmanager
def locked(state: Path) -> Iterator[None]:
    """Make the folder where it is missing (0700) and hold it against every other thread and process.

    A folder that others can enter is refused, not closed: it may be one that was never meant for us alone.
    """
    _make(state)
    descriptor = os.open(state / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write(path: Path, content: bytes) -> None:
    """Write a file (0600) so that a reader sees the old content or the new, never a part."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    Path(temporary).replace(path)


def _make(state: Path) -> None:
    missing = [folder for folder in (state, *state.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
    mode = stat.S_IMODE(state.stat().st_mode)
    if mode & OPEN_TO_OTHERS:
        raise OpenFolderError(f"The folder {state} is open to others (mode {mode:04o}); close it with chmod 700.")
