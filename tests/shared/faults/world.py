"""A small house to break: one service counts, each count is an event, another notes each event once."""

import asyncio
import os
import secrets
from base64 import b64encode
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, Column, Identity, Integer, Table, UniqueConstraint, Uuid, create_engine, insert
from sqlmodel import Session, SQLModel, select

from deploy.identity import ISSUER
from shared.access import locked, store
from shared.bus import Accept, Carrier, Record, Together, none_together
from shared.bus.embedded import EmbeddedBus, EmbeddedCarrier
from shared.bus.kafka import KafkaCarrier
from shared.clock import now
from shared.columns import Versioned, new_registry
from shared.contracts.hotline import HandOverDetails
from shared.crypto import Vault
from shared.db import make_engine
from shared.events import Envelope, Event, headers_for, topic_of
from shared.ids import new_id
from shared.outbox import publish
from shared.runtime import Act, Runtime
from shared.settings import ServiceSettings

SOAK = os.environ.get("SOAK") == "1"
"""The full size of the long tests (`make soak`); a smaller one otherwise."""
TIMEOUT = 1800 if SOAK else 180
"""Seconds after which a test of faults hangs, and is ended."""
ACT = Act("test", "test", "test-correlation")
CONSUMER = "consumer"

_registry = new_registry()


class FaultBase(SQLModel, registry=_registry):
    """The tables of the counting service."""


class Counter(FaultBase, Versioned, table=True):
    """An aggregate whose every version is an event, from 2 on."""


effect = Table(
    "effect",
    _registry.metadata,
    Column("seq", BigInteger, Identity(always=True), primary_key=True),
    Column("counter_id", Uuid, nullable=False),
    Column("number", Integer, nullable=False),
)
"""What the consuming service noted; nothing keeps an event from being noted twice but the inbox."""

late = Table(
    "late",
    _registry.metadata,
    Column("number", Integer, nullable=False),
    UniqueConstraint("number", deferrable=True, initially="DEFERRED"),
)
"""What only a commit refuses: the same number twice."""


class Counted(Event):
    """A counter reached a number, which is its version."""

    type: ClassVar[str] = "nobody.counted.v1"

    counter_id: UUID
    number: int
    note: str = ""


@cache
def counted_by(service: str) -> type[Counted]:
    """Return the event of a producing service, which has a name, and so a topic, of its own in each test."""

    class CountedHere(Counted):
        type: ClassVar[str] = f"{service}.counted.v1"

    return CountedHere


def open_runtime(
    service: str, url: str, *, pool_size: int = 16, wake: Callable[[], None] = lambda: None, **changes: Any
) -> Runtime:
    """Open a service of this house; its settings name nothing that answers but its database, unless changed."""
    values = {
        "public_url": "http://127.0.0.1:9",
        "oidc_issuer": ISSUER,
        "oidc_jwks_url": "http://127.0.0.1:9/jwks",
        "oidc_token_url": "http://127.0.0.1:9/token",
        "database_url": url,
        "service_keys": f"k1:{b64encode(secrets.token_bytes(32)).decode()}",
        "audit_keys": f"k1:{b64encode(secrets.token_bytes(32)).decode()}",
        "client_secret": secrets.token_urlsafe(32),
    }
    settings = ServiceSettings(**{**values, **changes})
    vault = Vault(service, {"k1": secrets.token_bytes(32)})
    return Runtime(service, settings, make_engine(url, pool_size=pool_size), vault, wake=wake)


def make_tables(owner_url: str) -> None:
    """Make the tables of this house, which no migration knows."""
    engine = create_engine(owner_url)
    _registry.metadata.create_all(engine)
    engine.dispose()


@dataclass(frozen=True, slots=True)
class World:
    """The two services of one test."""

    producer: Runtime
    consumer: Runtime

    @property
    def service(self) -> str:
        return self.producer.service

    @property
    def topic(self) -> str:
        return topic_of(self.service)

    @property
    def known(self) -> dict[str, type[Event]]:
        return {counted_by(self.service).type: counted_by(self.service)}

    def counters(self, number: int) -> list[UUID]:
        """Make counters; making one is no event."""
        with self.producer.session(ACT) as session:
            ids = [store(session, Counter()).id for _ in range(number)]
            session.commit()
        return ids

    def versions(self) -> dict[str, int]:
        """Return what each counter came to, which says what must have been published."""
        with self.producer.session(ACT) as session:
            return {str(counter.id): counter.version for counter in session.exec(select(Counter))}

    def effects(self) -> list[tuple[str, int]]:
        """Return what the consuming service noted, in the order in which it did."""
        with self.consumer.engine.connect() as connection:
            rows = connection.execute(effect.select().order_by(effect.c.seq))
            return [(str(row.counter_id), row.number) for row in rows]

    def rows(self, runtime: Runtime, table: Table) -> int:
        """Count the rows of a table."""
        with runtime.engine.connect() as connection:
            return len(connection.execute(table.select()).all())

    def record(self, key: UUID, number: int, *, event_id: UUID | None = None, note: str = "") -> Record:
        """Make the record of an event as the relay would."""
        event = counted_by(self.service)(counter_id=key, number=number, note=note)
        envelope = Envelope(event_id or new_id(), event, now(), str(key), number, "test-correlation", None)
        headers = tuple((name, value.encode()) for name, value in headers_for(envelope).items())
        return Record(self.topic, str(key), headers, event.model_dump_json().encode())


def count(session: Session, *counters: UUID) -> None:
    """Count on, the counters locked in order of their ids and the events stored last; the caller commits."""
    taken = [locked(session, select(Counter).where(Counter.id == counter)) for counter in sorted(counters)]
    event = counted_by(session.info["runtime"].service)
    for counter in taken:
        publish(session, counter, event(counter_id=counter.id, number=counter.version))


def count_once(runtime: Runtime, *counters: UUID) -> None:
    """Count on in a transaction of its own."""
    with runtime.session(ACT) as session:
        count(session, *counters)
        session.commit()
    runtime.wake()


def note_effect(session: Session, event: Counted) -> None:
    """Handle an event: note it."""
    session.connection().execute(insert(effect).values(counter_id=event.counter_id, number=event.number))


def note_hand_over(session: Session, details: HandOverDetails, params: dict[str, str]) -> None:
    """Apply fetched details: note whose they are, and how much was said."""
    assert params == {"hotline_case_id": str(details.hotline_case_id)}
    values = {"counter_id": details.hotline_case_id, "number": len(details.narrative)}
    session.connection().execute(insert(effect).values(**values))


def embedded(consumer: Runtime, topic: str) -> EmbeddedCarrier:
    """Return the embedded carrier to the consuming service."""
    return EmbeddedCarrier(EmbeddedBus({CONSUMER: consumer.engine}, {CONSUMER: [topic]}), CONSUMER)


def kafka(bootstrap: str, service: str) -> KafkaCarrier:
    """Return the way through Kafka to the consuming service."""
    return KafkaCarrier(bootstrap, f"{service}-{CONSUMER}", client_id=service, topics=[topic_of(service)])


class Watched:
    """A carrier that hands everything on to a real one and counts what it published."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self.published = 0

    async def start(self) -> None:
        await self._carrier.start()

    async def stop(self) -> None:
        await self._carrier.stop()

    def ready(self) -> bool:
        return self._carrier.ready()

    async def publish(self, records: Iterable[Record]) -> None:
        await self._carrier.publish(records)
        self.published += 1
        await self.after_ack()

    async def after_ack(self) -> None:
        """Do what a test wants to happen before anyone learns that the records are stored."""

    async def consume(
        self, topics: Sequence[str], accept: Accept, stop: asyncio.Event, together: Together = none_together
    ) -> None:
        await self._carrier.consume(topics, accept, stop, together)


@dataclass(frozen=True, slots=True)
class Faults:
    """What is wrong with a stream of events."""

    lost: int
    reordered: int
    doubled: int


def faults(stream: Iterable[tuple[str, int]], versions: Mapping[str, int]) -> Faults:
    """Compare what came, first occurrences per key, with what was committed: each number from 2 to the version."""
    came: dict[str, list[int]] = defaultdict(list)
    doubled = reordered = 0
    for key, number in stream:
        if number in came[key]:
            doubled += 1
            continue
        reordered += bool(came[key]) and number < max(came[key])
        came[key].append(number)
    lost = sum(len(set(range(2, version + 1)) - set(came[key])) for key, version in versions.items())
    return Faults(lost, reordered, doubled)
