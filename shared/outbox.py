"""The outbox: an event is stored with the change it tells of, and one relay per service carries it on, in order."""

import asyncio
import contextlib
import select
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any

import psycopg
from opentelemetry.trace import SpanKind, Tracer
from pydantic_core import from_json
from sqlmodel import Session

from shared import ledger
from shared.access import VersionedRow
from shared.bus import Carrier, CarrierDown, Record
from shared.clock import now
from shared.events import Envelope, Event, headers_for, topic_of
from shared.ids import new_id
from shared.logging import get_logger, where
from shared.pausing import pause
from shared.runtime import act_of, runtime_of
from shared.tables import PAYLOAD_LIMIT, outbox
from shared.telemetry import OFF, span, traceparent

CHANNEL = "outbox"
BATCH = 500
LEADER_LOCK = 0x6F7574626F78
"""The relay's advisory lock, on the very session it reads with: a lost session is a lost right to publish."""
POLL_SECONDS = 1.0
RECONNECT_SECONDS = 0.5
WAKE_SECONDS = 0.03
"""Between two wakes: under load one tells of many commits, and the first of them waits for nothing. A wake costs the relay,
the carrier and each consumer a handful of trips to their databases, however few events it tells of."""
LAST_WORDS = 5.0
NEXT = (
    "WITH carried AS (DELETE FROM outbox WHERE id = ANY(%s::bigint[]))"
    " SELECT id::text, topic, key, headers::text, payload FROM outbox WHERE id <> ALL(%s::bigint[]) ORDER BY outbox.id LIMIT %s"
)
"""Headers come as text: the driver's own way to read JSON calls three functions for each row, and half the read was that."""
Row = tuple[str, str, str, str, bytes]


class Waiting:
    """Events in their order, as read; and their ids as PostgreSQL reads them, parted by commas."""

    def __init__(self, rows: Sequence[Row] = ()) -> None:
        self.rows = rows
        self.ids = ",".join([row[0] for row in rows])

    def records(self) -> Iterator[Record]:
        """Make the records one by one: what goes at once leaves its memory, still at hand, to the next."""
        for _id, topic, key, headers, payload in self.rows:
            told: dict[str, str] = from_json(headers, cache_strings="keys")
            yield Record(topic, key, tuple([(name, value.encode()) for name, value in told.items()]), payload)


log = get_logger("outbox")


class EventTooLargeError(ValueError):
    """An event over `PAYLOAD_LIMIT`: an event holds ids and codes, and whoever needs more fetches it."""


def publish(session: Session, aggregate: VersionedRow, event: Event) -> None:
    """Store an event about a row that this transaction has locked or made; the event is written last, while the row is locked.

    Raises `ValueError` for another service's event, `EventTooLargeError` for a payload of more than 64 KiB.
    """
    service = runtime_of(session).service
    if event.producer() != service:
        message = f"{service} may not publish {event.type}"
        raise ValueError(message)
    payload = event.model_dump_json().encode()
    if len(payload) > PAYLOAD_LIMIT:
        message = f"{event.type} would hold {len(payload)} bytes, and an event holds at most {PAYLOAD_LIMIT}"
        raise EventTooLargeError(message)
    act = act_of(session)
    envelope = Envelope(
        new_id(),
        event,
        now(),
        str(aggregate.id),
        aggregate.version,
        act.correlation_id,
        act.causation_id,
        traceparent(),
    )
    row = {
        "event_id": envelope.event_id,
        "topic": topic_of(service),
        "key": envelope.key,
        "headers": headers_for(envelope),
        "payload": payload,
    }
    ledger.append(session, outbox, row)
    session.info["published"] = True


class Waker:
    """Tells the relay of commits: many wakes, one NOTIFY, on a connection of its own and never inside a transaction."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._pending = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outbox-waker", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Return at once; the notification follows."""
        self._pending.set()

    def close(self) -> None:
        """Stop within a second."""
        self._stopping.set()
        self._pending.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with psycopg.connect(self._conninfo, autocommit=True, connect_timeout=5) as connection:
                    self._notify(connection)
            except psycopg.Error:
                # The relay polls each second as well: a missed wake delays, it loses nothing.
                self._stopping.wait(RECONNECT_SECONDS)

    def _notify(self, connection: psycopg.Connection[Any]) -> None:
        while not self._stopping.is_set():
            self._pending.wait()
            self._pending.clear()
            if not self._stopping.is_set():
                connection.execute(f"NOTIFY {CHANNEL}")
                self._stopping.wait(WAKE_SECONDS)


class Relay:
    """Carries this service's events to its carrier, oldest first; of several relays one leads and the others wait.

    It looks for events when it is woken, and every `poll` seconds in case a wake was lost.
    """

    def __init__(self, conninfo: str, carrier: Carrier, *, poll: float = POLL_SECONDS, tracer: Tracer = OFF) -> None:
        self._conninfo = conninfo
        self._carrier = carrier
        self._poll = poll
        self._tracer = tracer
        self.leading = False

    async def run(self, stop: asyncio.Event) -> None:
        """Relay until `stop` is set; lost connections and carriers are waited for, a carrier that hangs not for long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None) as patience:
                bounding = asyncio.create_task(_bound(patience, stop))
                try:
                    await self._relay(stop)
                finally:
                    bounding.cancel()

    async def _relay(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self._session(stop)
            except* (psycopg.Error, OSError) as lost:
                log.warning("relay_lost_database", error=where(lost.exceptions[0]))
            finally:
                self.leading = False
            await pause(stop, RECONNECT_SECONDS)

    async def _session(self, stop: asyncio.Event) -> None:
        connection = await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True, connect_timeout=5)
        async with connection:
            await self._lead(connection, stop)
            # An event whose deletion a crash undoes is carried once more: that is no reason to wait for the disk.
            await connection.execute("SET synchronous_commit = off")
            await connection.execute(f"LISTEN {CHANNEL}")
            carried, waiting = "", await _next(connection)
            while not stop.is_set():
                if waiting.rows:
                    carried, waiting = await self._carry(connection, carried, waiting)
                elif carried:
                    carried, waiting = "", await _next(connection, carried)
                else:
                    await _notified(connection, self._poll)
                    waiting = await _next(connection)
            await _next(connection, carried)

    async def _lead(self, connection: psycopg.AsyncConnection[Any], stop: asyncio.Event) -> None:
        while not stop.is_set() and not self.leading:
            row = await (await connection.execute("SELECT pg_try_advisory_lock(%s)", (LEADER_LOCK,))).fetchone()
            self.leading = row == (True,)
            if not self.leading:
                await pause(stop, POLL_SECONDS)

    async def _carry(
        self, connection: psycopg.AsyncConnection[Any], carried: str, waiting: Waiting
    ) -> tuple[str, Waiting]:
        """Carry these events; meanwhile delete those carried before, and read what is behind.

        Returns the ids of what was carried, and what waits. Only what was acknowledged is deleted: a relay killed before
        that carries the same events again.
        """
        _refuse_ended(connection)
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(_behind(connection, carried, waiting))
            sending = group.create_task(self._sent(waiting.records()))
        if not sending.result():
            await asyncio.sleep(POLL_SECONDS)
            return "", await _next(connection)
        return waiting.ids, reading.result()

    async def _sent(self, records: Iterable[Record]) -> bool:
        """Say whether the carrier has all of these events for good."""
        try:
            with ExitStack() as sending:
                if self._tracer is not OFF:
                    records = list(records)
                    for record in records:
                        sending.enter_context(self._sending(record))
                await self._carrier.publish(records)
        except CarrierDown:
            return False
        return True

    def _sending(self, record: Record) -> AbstractContextManager[object]:
        """Trace an event on its way, as what follows from the act behind it, where that is traced."""
        told = {name: (value or b"").decode() for name, value in record.headers}
        parent = told.get("ce_traceparent")
        if parent is None:
            return nullcontext()
        return span(self._tracer, f"send {record.topic}", SpanKind.PRODUCER, parent, event__type=told["ce_type"])


async def _bound(patience: asyncio.Timeout, stop: asyncio.Event) -> None:
    """Once told to stop, wait a while for the acknowledgement in hand; without it the same events are carried again."""
    await stop.wait()
    patience.reschedule(asyncio.get_running_loop().time() + LAST_WORDS)


def _refuse_ended(connection: psycopg.AsyncConnection[Any]) -> None:
    """Raise if the server has ended the session, and with it the right to publish; its socket tells, without a journey."""
    poll = select.poll()
    poll.register(connection.pgconn.socket, select.POLLIN)
    while poll.poll(0):
        connection.pgconn.consume_input()


async def _next(connection: psycopg.AsyncConnection[Any], carried: str = "", passing: str = "") -> Waiting:
    """Delete what was carried, and read the oldest events apart from those that are on their way.

    Passing over their very ids, never over all up to the last: what commits late stands before it.
    """
    # Not prepared: only in an array of constants does PostgreSQL look ids up by their hashes.
    known = ",".join(ids for ids in (carried, passing) if ids)
    values = (f"{{{carried}}}", f"{{{known}}}", BATCH)
    cursor = await connection.execute(NEXT, values, binary=True, prepare=False)
    return Waiting(await cursor.fetchall())


async def _behind(connection: psycopg.AsyncConnection[Any], carried: str, waiting: Waiting) -> Waiting:
    """Read what follows a full batch; behind a smaller one nothing was waiting."""
    if not carried and len(waiting.rows) < BATCH:
        return Waiting()
    return await _next(connection, carried, waiting.ids)


async def _notified(connection: psycopg.AsyncConnection[Any], seconds: float) -> None:
    """Wait for a wake; all that came by then are taken together, and the generator, which holds the connection, ends."""
    async for _ in connection.notifies(timeout=seconds, stop_after=1):
        continue
