"""A disk of its own for a database, small enough to be filled; only root can mount one."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from deploy.postgres.place import HOME

SIZE = 768 * 1024 * 1024
SPARE = 128 * 1024
"""Bytes left when it is full: less than a table grows by in a moment."""


class Disk:
    """A folder whose space can be taken away and given back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Take nearly all space that is left, while the database goes on taking some."""
        with self._ballast.open("wb") as file:
            while (free := self._free()) > SPARE:
                with suppress(OSError):
                    os.posix_fallocate(file.fileno(), self._ballast.stat().st_size, free - SPARE)

    def _free(self) -> int:
        disk = os.statvfs(self.folder)
        return disk.f_bavail * disk.f_frsize

    def clear(self) -> None:
        """Give the space back."""
        self._ballast.unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk | None]:
    """Mount a small disk where PostgreSQL's user may enter; None for who may not mount one."""
    place = HOME / "tests" / f"disk-{os.getpid()}" if os.geteuid() == 0 else folder
    place.mkdir(mode=0o711, parents=True, exist_ok=True)
    options = ["-t", "tmpfs", "-o", f"size={SIZE},mode=0711", "baoho-test", str(place)]
    if os.geteuid() != 0 or subprocess.run(["mount", *options], check=False, capture_output=True).returncode:
        yield None
        return
    try:
        yield Disk(place)
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)
        with suppress(OSError):
            place.rmdir()
