"""What a process holds in memory, read from outside: an environment taken after a fork stands in no file of /proc."""

import re
from collections.abc import Iterator
from pathlib import Path

MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw-p")


def holds(pid: int, value: str) -> bool:
    """Say whether a text of ASCII lies anywhere in what a process may write to."""
    return any(value.encode() in written for written in _written(pid))


def _written(pid: int) -> Iterator[bytes]:
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for start, end in MAPPING.findall(Path(f"/proc/{pid}/maps").read_text()):
            memory.seek(int(start, 16))
            yield memory.read(int(end, 16) - int(start, 16))
