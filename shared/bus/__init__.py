"""What a carrier of events is: it takes records in order and brings them to every consuming service."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

Headers = tuple[tuple[str, bytes | None], ...]


class Record(NamedTuple):
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


GoOn = Callable[[], bool]
"""Asked before each record: whether it is still to be taken in hand."""
Together = Callable[[Sequence[Record], GoOn], int]
"""Handles records that were not tried before, in order and in one transaction; returns how many of them are done for good.

None are when anything stands in the way of one: then each is to be brought to `Accept`.
"""


def none_together(records: Sequence[Record], go_on: GoOn) -> int:  # noqa: ARG001 - as any `Together`
    """Handle nothing: each record is brought alone."""
    return 0


class Carrier(Protocol):
    """Brings records to their consumers at least once, in order per key."""

    async def start(self) -> None:
        """Return at once, even while the broker is away; connecting goes on in the background."""

    async def publish(self, records: Iterable[Record]) -> None:
        """Return when every record is stored for good; raise `CarrierDown` else."""

    async def consume(
        self, topics: Sequence[str], accept: Accept, stop: asyncio.Event, together: Together = none_together
    ) -> None:
        """Bring the records of `topics` to `together`, or each to `accept` (both run in a thread), until `stop` is set.

        What is in hand then is finished.
        """

    def ready(self) -> bool:
        """Whether records can be published and consumed just now."""

    async def stop(self) -> None:
        """Let go of connections within 15 s."""
