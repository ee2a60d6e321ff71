"""The outbox: an event is stored with the change it tells of, and one relay per service carries it on, in order."""

import asyncio
import contextlib
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import psycopg
from opentelemetry.trace import SpanKind, Tracer
from sqlmodel import Session

from shared import ledger
from shared.access import VersionedRow
from shared.bus import Carrier, CarrierDown, Record
from shared.clock import now
from shared.events import Envelope, Event, headers_for, topic_of
from shared.ids import new_id
from shared.logging import get_logger, where
from shared.runtime import act_of, runtime_of
from shared.tables import PAYLOAD_LIMIT, outbox
from shared.telemetry import OFF, span, traceparent

CHANNEL = "outbox"
BATCH = 500
LEADER_LOCK = 0x6F7574626F78
"""The relay's advisory lock, on the very session it reads with: a lost session is a lost right to publish."""
POLL_SECONDS = 1.0
RECONNECT_SECONDS = 0.5
WAKE_SECONDS = 0.01
"""Between two wakes: under load one tells of many commits, and the first of them waits for nothing."""
LAST_WORDS = 5.0
OLDEST = "SELECT id, topic, key, headers, payload FROM outbox WHERE id <> ALL(%s) ORDER BY id LIMIT %s"
Row = tuple[int, str, str, dict[str, str], bytes]

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
            await _pause(stop, RECONNECT_SECONDS)

    async def _session(self, stop: asyncio.Event) -> None:
        connection = await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True, connect_timeout=5)
        async with connection:
            await self._lead(connection, stop)
            await connection.execute(f"LISTEN {CHANNEL}")
            rows = await _oldest(connection)
            while not stop.is_set():
                if rows:
                    rows = await self._carry(connection, rows)
                else:
                    await _notified(connection, self._poll)
                    rows = await _oldest(connection)

    async def _lead(self, connection: psycopg.AsyncConnection[Any], stop: asyncio.Event) -> None:
        while not stop.is_set() and not self.leading:
            row = await (await connection.execute("SELECT pg_try_advisory_lock(%s)", (LEADER_LOCK,))).fetchone()
            self.leading = row == (True,)
            if not self.leading:
                await _pause(stop, POLL_SECONDS)

    async def _carry(self, connection: psycopg.AsyncConnection[Any], rows: Sequence[Row]) -> Sequence[Row]:
        """Carry these events and return those behind them, read meanwhile; or the oldest anew, if they were not taken."""
        ids = [row[0] for row in rows]
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(_behind(connection, ids))
            sending = group.create_task(self._sent(rows))
        if not sending.result():
            await asyncio.sleep(POLL_SECONDS)
            return await _oldest(connection)
        # Deleting only what was acknowledged: a relay killed before this line carries the same events again.
        await connection.execute("DELETE FROM outbox WHERE id = ANY(%s)", (ids,))
        return reading.result()

    async def _sent(self, rows: Sequence[Row]) -> bool:
        """Say whether the carrier has all of these events for good."""
        try:
            with ExitStack() as sending:
                for _, topic, _, headers, _ in rows:
                    if "ce_traceparent" in headers:
                        sending.enter_context(self._sending(topic, headers))
                await self._carrier.publish([_record(row) for row in rows])
        except CarrierDown:
            return False
        return True

    def _sending(self, topic: str, headers: dict[str, str]) -> AbstractContextManager[object]:
        """Trace an event on its way, as what follows from the act behind it."""
        parent, kind = headers["ce_traceparent"], headers["ce_type"]
        return span(self._tracer, f"send {topic}", SpanKind.PRODUCER, parent, event__type=kind)


async def _bound(patience: asyncio.Timeout, stop: asyncio.Event) -> None:
    """Once told to stop, wait a while for the acknowledgement in hand; without it the same events are carried again."""
    await stop.wait()
    patience.reschedule(asyncio.get_running_loop().time() + LAST_WORDS)


async def _oldest(connection: psycopg.AsyncConnection[Any], passing: Sequence[int] = ()) -> Sequence[Row]:
    """Read the oldest events apart from those that are on their way.

    Passing over their very ids, never over all up to the last: what commits late stands before it.
    """
    # Not prepared: only in an array of constants does PostgreSQL look ids up by their hashes.
    cursor = await connection.execute(OLDEST, (list(passing), BATCH), binary=True, prepare=False)
    return await cursor.fetchall()


async def _behind(connection: psycopg.AsyncConnection[Any], ids: Sequence[int]) -> Sequence[Row]:
    """Read what follows a full batch; behind a smaller one nothing was waiting."""
    return await _oldest(connection, ids) if len(ids) == BATCH else ()


def _record(row: Row) -> Record:
    _, topic, key, headers, payload = row
    return Record(topic, key, tuple([(name, value.encode()) for name, value in headers.items()]), payload)


async def _notified(connection: psycopg.AsyncConnection[Any], seconds: float) -> None:
    """Wait for a wake; all that came by then are taken together, and the generator, which holds the connection, ends."""
    async for _ in connection.notifies(timeout=seconds, stop_after=1):
        continue


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
