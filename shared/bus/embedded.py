"""The embedded carrier: events are copied into the mailbox of every consuming service's database; for one process alone."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import SQLAlchemyError

from shared.bus import Accept, CarrierDown, Record, Retry
from shared.clock import now
from shared.logging import get_logger, where
from shared.tables import mailbox

SINGLE_LOCK = 0x656D626564
"""Held for as long as the process lives: a second process would drain the same mailboxes out of order."""
IDLE_SECONDS = 1.0
BATCH = 100

log = get_logger("bus")


class SecondProcessError(Exception):
    """Another process already carries these events; several processes need Kafka (`KAFKA_BOOTSTRAP`)."""


class EmbeddedBus:
    """What the services of one process share: their engines, who consumes what, and a bell for each mailbox."""

    def __init__(self, engines: Mapping[str, Engine], subscriptions: Mapping[str, Sequence[str]]) -> None:
        self.engines = dict(engines)
        self.subscriptions = {service: frozenset(topics) for service, topics in subscriptions.items()}
        self.bells = {service: asyncio.Event() for service in engines}
        self._held: list[Connection] = []

    def open(self) -> None:
        """Take the lock of each database; raise `SecondProcessError` if another process has one."""
        for engine in self.engines.values():
            connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            self._held.append(connection)
            if not connection.execute(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": SINGLE_LOCK}).scalar_one():
                self.close()
                message = "another process already runs these services on the embedded carrier"
                raise SecondProcessError(message)

    def close(self) -> None:
        """Release the locks."""
        for connection in self._held:
            connection.invalidate()
            connection.close()
        self._held.clear()


class EmbeddedCarrier:
    """One service's end of the embedded bus."""

    def __init__(self, bus: EmbeddedBus, service: str) -> None:
        self._bus = bus
        self._service = service

    async def start(self) -> None:
        """Nothing to connect: the databases are there or the service is not."""

    async def stop(self) -> None:
        """Nothing to let go of."""

    def ready(self) -> bool:
        """Say yes: the database's own check tells the rest."""
        return True

    def lag(self) -> int:
        """Return 0: the mailbox itself is counted by its service."""
        return 0

    async def publish(self, records: Sequence[Record]) -> None:
        """Copy the records into the mailboxes of their consumers; raise `CarrierDown` if one database is away."""
        for service, topics in self._bus.subscriptions.items():
            wanted = [record for record in records if record.topic in topics]
            if wanted:
                try:
                    await asyncio.to_thread(_deposit, self._bus.engines[service], wanted)
                except SQLAlchemyError as error:
                    log.warning("mailbox_away", consumer=service, error=where(error))
                    raise CarrierDown(service) from error
                self._bus.bells[service].set()

    async def consume(self, topics: Sequence[str], accept: Accept, stop: asyncio.Event) -> None:
        """Drain our mailbox until `stop`: the oldest event of each key, so that a failing key holds up no other."""
        bell = self._bus.bells[self._service]
        engine = self._bus.engines[self._service]
        while not stop.is_set():
            bell.clear()
            try:
                handled = await asyncio.to_thread(_drain, engine, list(topics), accept, stop)
            except SQLAlchemyError as error:
                log.warning("mailbox_away", consumer=self._service, error=where(error))
                handled = 0
            if not handled:
                await _first_of(stop, bell)


def _deposit(engine: Engine, records: Sequence[Record]) -> None:
    rows = [
        {
            "event_id": _event_id(record),
            "topic": record.topic,
            "key": record.key,
            "headers": {name: (value or b"").decode() for name, value in record.headers},
            "payload": record.value,
        }
        for record in records
    ]
    with engine.begin() as connection:
        # Executed one by one, ids follow the order of the outbox.
        for row in rows:
            connection.execute(upsert(mailbox).values(**row).on_conflict_do_nothing())


def _drain(engine: Engine, topics: list[str], accept: Accept, stop: asyncio.Event) -> int:
    """Handle the due heads of all keys once, unless told to stop; return how many were handled."""
    heads = select(func.min(mailbox.c.id)).where(mailbox.c.topic.in_(topics)).group_by(mailbox.c.topic, mailbox.c.key)
    due = select(mailbox).where(mailbox.c.id.in_(heads), mailbox.c.due_at <= now()).order_by(mailbox.c.id).limit(BATCH)
    with engine.connect() as connection:
        rows = connection.execute(due).mappings().all()
    return sum(_hand_over(engine, row, accept) for row in rows if not stop.is_set())


def _hand_over(engine: Engine, row: RowMapping, accept: Accept) -> int:
    headers = tuple((name, value.encode()) for name, value in row["headers"].items())
    record = Record(row["topic"], row["key"], headers, bytes(row["payload"]))
    try:
        accept(record, row["attempts"])
    except Retry as retry:
        _postpone(engine, row, retry.after, counts=retry.counts)
        return 0
    except Exception as error:  # noqa: BLE001 - whatever broke, the mailbox must go on
        log.error("accept_failed", error=where(error))
        _postpone(engine, row, IDLE_SECONDS, counts=False)
        return 0
    with engine.begin() as connection:
        connection.execute(delete(mailbox).where(mailbox.c.id == row["id"]))
    return 1


def _postpone(engine: Engine, row: RowMapping, after: float, *, counts: bool) -> None:
    changes: dict[str, Any] = {"due_at": now() + timedelta(seconds=after)}
    if counts:
        changes["attempts"] = row["attempts"] + 1
    with engine.begin() as connection:
        connection.execute(update(mailbox).where(mailbox.c.id == row["id"]).values(**changes))


async def _first_of(stop: asyncio.Event, bell: asyncio.Event) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in (stop, bell)]
    _, pending = await asyncio.wait(waits, timeout=IDLE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    for wait in pending:
        wait.cancel()
    await asyncio.gather(*pending, return_exceptions=True)


def _event_id(record: Record) -> str:
    return next((value.decode() for name, value in record.headers if name == "ce_id" and value), "")
