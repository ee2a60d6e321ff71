"""What the tests of the Kafka carrier do again and again: publish events, consume them, look at what came."""

import asyncio
import contextlib
import socket
import threading
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from shared.bus import Accept, Carrier, CarrierDown, Record
from shared.bus.kafka import KafkaCarrier

DEADLINE = 60.0
KEYS = [f"case-{number}" for number in range(60)]


def free_port() -> int:
    """Return a port that is free together with the one above it."""
    while True:
        with socket.socket() as first, socket.socket() as second, contextlib.suppress(OSError, OverflowError):
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            second.bind(("127.0.0.1", port + 1))
            return port


@dataclass
class Seen:
    """What an `Accept` was given, in the order in which it was given it."""

    records: list[Record] = field(default_factory=list)
    tries: list[int] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, record: Record, tries: int) -> None:
        with self.lock:
            self.records.append(record)
            self.tries.append(tries)

    def values(self) -> list[bytes | None]:
        with self.lock:
            return [record.value for record in self.records]

    def per_key(self) -> dict[str | None, list[bytes | None]]:
        """Return the first occurrence of each value, per key."""
        found: dict[str | None, list[bytes | None]] = defaultdict(list)
        with self.lock:
            for record in self.records:
                if record.value not in found[record.key]:
                    found[record.key].append(record.value)
        return dict(found)

    def in_order(self, key: str) -> bool:
        """Whether the values of a key were seen in the order in which they were made, apart from repetitions."""
        values = [value or b"" for value in self.per_key().get(key, [])]
        return values == sorted(values)


def event(topic: str, key: str, number: int) -> Record:
    """Make a record with the headers that events carry."""
    headers = (("ce_id", str(number).encode()), ("ce_type", b"referral.accepted.v1"), ("ce_note", None))
    return Record(topic, key, headers, f"{key}/{number:06}".encode())


async def until(reached: Callable[[], bool], what: str, seconds: float = DEADLINE) -> None:
    """Wait until `reached()`; a generous deadline, never a measure of speed."""
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, f"never happened: {what}"
        await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def carrier(bootstrap: str, group: str, *topics: str) -> AsyncIterator[KafkaCarrier]:
    """Yield a started carrier that publishes to `topics`; with topics, once it can."""
    made = KafkaCarrier(bootstrap, group, client_id=group, topics=topics)
    await made.start()
    try:
        if topics:
            await until(made.ready, "the carrier is ready")
        yield made
    finally:
        await made.stop()


@contextlib.asynccontextmanager
async def consuming(carrier: Carrier, topic: str, accept: Accept) -> AsyncIterator[asyncio.Event]:
    """Consume in the background; at the end set `stop` and wait for the consumer."""
    stop = asyncio.Event()
    task = asyncio.create_task(carrier.consume([topic], accept, stop))
    try:
        yield stop
    finally:
        stop.set()
        await task


async def publish_slowly(kafka: KafkaCarrier, topic: str, rounds: int, downs: list[CarrierDown]) -> None:
    """Publish one record per key and round as the relay does: what was not taken comes again, in order."""
    for number in range(rounds):
        records = [event(topic, key, number) for key in KEYS]
        while True:
            try:
                await kafka.publish(records)
                break
            except CarrierDown as down:
                downs.append(down)
                await asyncio.sleep(0.2)
        await asyncio.sleep(0.1)


def distinct(*members: Seen) -> int:
    """Count the different records that members of a group have seen."""
    return len({value for seen in members for value in seen.values()})


def merged(*members: Seen) -> dict[str | None, set[bytes | None]]:
    """Return what members of a group have seen together, per key."""
    merged: dict[str | None, set[bytes | None]] = {}
    for seen in members:
        for key, values in seen.per_key().items():
            merged.setdefault(key, set()).update(values)
    return merged
