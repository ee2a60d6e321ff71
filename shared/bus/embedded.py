"""The embedded carrier: events are copied into the mailbox of every consuming service's database; for one process alone."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import Engine, RowMapping, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import SQLAlchemyError

from shared.bus import Accept, CarrierDown, Record, Retry
from shared.bus.claim import Claim
from shared.clock import now
from shared.logging import get_logger, where
from shared.tables import mailbox

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
        self.claims = {service: Claim(engine) for service, engine in self.engines.items()}

    def open(self) -> None:
        """Claim each mailbox; raise `SecondProcessError` if another process has one."""
        for claim in self.claims.values():
            if not claim.holds():
                self.close()
                message = "another process already runs these services on the embedded carrier"
                raise SecondProcessError(message)

    def close(self) -> None:
        """Release the claims."""
        for claim in self.claims.values():
            claim.release()


class EmbeddedCarrier:
    """One service's end of the embedded bus."""

    def __init__(self, bus: EmbeddedBus, service: str) -> None:
        self._bus = bus
        self._service = service
        self._ousted = False

    async def start(self) -> None:
        """Nothing to connect: the databases are there or the service is not."""

    async def stop(self) -> None:
        """Nothing to let go of."""

    def ready(self) -> bool:
        """Say yes unless another process has our mailbox: the database's own check tells the rest."""
        return not self._ousted

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
        """Drain our mailbox until `stop`: the oldest event of each key, so that a failing key holds up no other.

        Nothing is drained while the claim to the mailbox is lost; it is taken anew as soon as that can be.
        """
        bell = self._bus.bells[self._service]
        drained = partial(self._drained, list(topics), accept, stop)
        while not stop.is_set():
            bell.clear()
            try:
                handled = await asyncio.to_thread(drained)
            except SQLAlchemyError as error:
                log.warning("mailbox_away", consumer=self._service, error=where(error))
                handled = 0
            if not handled:
                await _first_of(stop, bell)
        self._bus.claims[self._service].release()

    def _drained(self, topics: list[str], accept: Accept, stop: asyncio.Event) -> int:
        """Handle the due heads of all keys once, unless told to stop or ousted; return how many were handled."""
        engine = self._bus.engines[self._service]
        return sum(_hand_over(engine, row, accept) for row in self._due(engine, topics) if self._may(stop))

    def _due(self, engine: Engine, topics: list[str]) -> Sequence[RowMapping]:
        ours = mailbox.c.topic.in_(topics)
        heads = select(func.min(mailbox.c.id)).where(ours).group_by(mailbox.c.topic, mailbox.c.key)
        due = select(mailbox).where(mailbox.c.id.in_(heads), mailbox.c.due_at <= now())
        with engine.connect() as connection:
            return connection.execute(due.order_by(mailbox.c.id).limit(BATCH)).mappings().all()

    def _may(self, stop: asyncio.Event) -> bool:
        if stop.is_set():
            return False
        self._ousted = not self._bus.claims[self._service].holds()
        if self._ousted:
            log.error("mailbox_taken_by_another_process", consumer=self._service)
        return not self._ousted


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
