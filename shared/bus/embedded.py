"""The embedded carrier: events are copied into the mailbox of every consuming service's database; for one process alone."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, delete, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import SQLAlchemyError

from shared.bus import Accept, CarrierDown, Record, Retry, Together, none_together
from shared.bus.claim import Claim
from shared.clock import now
from shared.logging import get_logger, where
from shared.tables import mailbox

IDLE_SECONDS = 1.0
BATCH = 20
"""Events taken in hand at a time: so many may share a transaction, and are finished when we are told to stop."""

log = get_logger("bus")


class SecondProcessError(Exception):
    """Another process already carries these events; several processes need Kafka (`KAFKA_BOOTSTRAP`)."""


class EmbeddedBus:
    """What the services of one process share: their engines, who consumes what, and a bell for each mailbox.

    Of the topics it consumes, a service is spared the types it ignores; what is of no type that anyone knows is brought.
    """

    def __init__(
        self,
        engines: Mapping[str, Engine],
        subscriptions: Mapping[str, Sequence[str]],
        ignored: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        self.engines = dict(engines)
        self._subscriptions = {service: frozenset(topics) for service, topics in subscriptions.items()}
        self._ignored = ignored or {}
        self.bells = {service: asyncio.Event() for service in engines}
        self.claims = {service: Claim(engine) for service, engine in self.engines.items()}

    def sorted(self, records: Sequence[Record]) -> dict[str, list[Record]]:
        """Return for each service the records it consumes, in order; services without any are left out."""
        wanted = {
            service: [
                record
                for record in records
                if record.topic in topics and _header(record, "ce_type") not in self._ignored.get(service, ())
            ]
            for service, topics in self._subscriptions.items()
        }
        return {service: mine for service, mine in wanted.items() if mine}

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

    @property
    def _engine(self) -> Engine:
        return self._bus.engines[self._service]

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

    async def publish(self, records: Iterable[Record]) -> None:
        """Copy the records into the mailboxes of their consumers; raise `CarrierDown` if one database is away."""
        for service, wanted in self._bus.sorted(list(records)).items():
            try:
                await asyncio.to_thread(_deposit, self._bus.engines[service], wanted)
            except SQLAlchemyError as error:
                log.warning("mailbox_away", consumer=service, error=where(error))
                raise CarrierDown(service) from error
            self._bus.bells[service].set()

    async def consume(
        self, topics: Sequence[str], accept: Accept, stop: asyncio.Event, together: Together = none_together
    ) -> None:
        """Drain our mailbox until `stop`, oldest first; a failing key holds up its own events and no other's.

        Nothing is drained while the claim to the mailbox is lost; it is taken anew as soon as that can be.
        """
        bell = self._bus.bells[self._service]
        drain = partial(self._drain, list(topics), accept, together, stop)
        while not stop.is_set():
            bell.clear()
            try:
                await asyncio.to_thread(drain)
            except SQLAlchemyError as error:
                log.warning("mailbox_away", consumer=self._service, error=where(error))
            await _first_of(stop, bell)
        self._bus.claims[self._service].release()

    def _drain(self, topics: list[str], accept: Accept, together: Together, stop: asyncio.Event) -> None:
        """Handle what is due until nothing is, or we are told to stop or ousted."""
        while (rows := self._due(topics)) and self._may(stop):
            untried = not any(row["attempts"] for row in rows)
            done = together([_record(row) for row in rows], lambda: not stop.is_set()) if untried else 0
            if done:
                _remove(self._engine, [row["id"] for row in rows[:done]])
            else:
                self._each(rows, accept, stop)

    def _each(self, rows: Sequence[RowMapping], accept: Accept, stop: asyncio.Event) -> None:
        """Have each row accepted by itself; what stands behind one that is to come again waits with it."""
        waiting = set()
        for row in rows:
            line = row["topic"], row["key"]
            if line in waiting:
                continue
            if not self._may(stop):
                return
            if not _hand_over(self._engine, row, accept):
                waiting.add(line)

    def _due(self, topics: list[str]) -> Sequence[RowMapping]:
        """Read the oldest rows of all keys but those whose first is to come again later."""
        line = tuple_(mailbox.c.topic, mailbox.c.key)
        later = select(mailbox.c.topic, mailbox.c.key).where(mailbox.c.due_at > now())
        due = select(mailbox).where(mailbox.c.topic.in_(topics), line.not_in(later))
        with _alone(self._engine) as connection:
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
            "event_id": _header(record, "ce_id"),
            "topic": record.topic,
            "key": record.key,
            "headers": {name: (value or b"").decode() for name, value in record.headers},
            "payload": record.value,
        }
        for record in records
    ]
    with engine.begin() as connection:
        # One after another on one trip: ids follow the order of the outbox.
        connection.execute(upsert(mailbox).on_conflict_do_nothing(), rows)


def _record(row: RowMapping) -> Record:
    headers = tuple((name, value.encode()) for name, value in row["headers"].items())
    return Record(row["topic"], row["key"], headers, bytes(row["payload"]))


def _hand_over(engine: Engine, row: RowMapping, accept: Accept) -> bool:
    """Say whether the row was accepted for good, and is gone."""
    try:
        accept(_record(row), row["attempts"])
    except Retry as retry:
        _postpone(engine, row, retry.after, counts=retry.counts)
        return False
    except Exception as error:  # noqa: BLE001 - whatever broke, the mailbox must go on
        log.error("accept_failed", error=where(error))
        _postpone(engine, row, IDLE_SECONDS, counts=False)
        return False
    _remove(engine, [row["id"]])
    return True


def _remove(engine: Engine, ids: Sequence[int]) -> None:
    with _alone(engine) as connection:
        connection.execute(delete(mailbox).where(mailbox.c.id.in_(ids)))


def _postpone(engine: Engine, row: RowMapping, after: float, *, counts: bool) -> None:
    changes: dict[str, Any] = {"due_at": now() + timedelta(seconds=after)}
    if counts:
        changes["attempts"] = row["attempts"] + 1
    with _alone(engine) as connection:
        connection.execute(update(mailbox).where(mailbox.c.id == row["id"]).values(**changes))


def _alone(engine: Engine) -> Connection:
    """Connect for one statement that is its own transaction: two trips less."""
    return engine.execution_options(isolation_level="AUTOCOMMIT").connect()


async def _first_of(stop: asyncio.Event, bell: asyncio.Event) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in (stop, bell)]
    _, pending = await asyncio.wait(waits, timeout=IDLE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    for wait in pending:
        wait.cancel()
    await asyncio.gather(*pending, return_exceptions=True)


def _header(record: Record, wanted: str) -> str:
    return next((value.decode(errors="replace") for name, value in record.headers if name == wanted and value), "")
