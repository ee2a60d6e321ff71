"""What a carrier of events is: it takes records in order and brings them to every consuming service."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

Headers = tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True, slots=True)
class Record:
    """One event as it lies on the wire: the aggregate's id as key, JSON bytes; a foreign writer may have left holes."""

    topic: str
    key: str | None
    headers: Headers
    value: bytes | None


class Retry(Exception):
    """Raised by an `Accept`: deliver the same record again after so many seconds, and its key's successors not before."""

    def __init__(self, after: float, *, counts: bool = True) -> None:
        super().__init__(f"again after {after} s")
        self.after = after
        self.counts = counts
        """False while our own database is away: such a try does not bring the record nearer to the dead letters."""


class CarrierDown(Exception):
    """The carrier took nothing or not everything; the same records are to be published again, in order."""


Accept = Callable[[Record, int], None]
"""Handles a record in one transaction, given its earlier counted tries; returns when done for good, raises `Retry` else."""


class Carrier(Protocol):
    """Brings records to their consumers at least once, in order per key."""

    async def start(self) -> None:
        """Return at once, even while the broker is away; connecting goes on in the background."""

    async def publish(self, records: Sequence[Record]) -> None:
        """Return when every record is stored for good; raise `CarrierDown` else."""

    async def consume(self, topics: Sequence[str], accept: Accept, stop: asyncio.Event) -> None:
        """Bring each record of `topics` to `accept` (run in a thread) until `stop` is set; then finish the one in hand."""

    def ready(self) -> bool:
        """Whether records can be published and consumed just now."""

    async def stop(self) -> None:
        """Let go of connections within 15 s."""
