"""The loop: whatever is due is sent at once, each message on its own, so that no partner waits for another."""

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta

import psycopg
from opentelemetry.trace import SpanKind
from sqlalchemy.exc import SQLAlchemyError

from services.referral.actions import open_secret, our_keys
from services.referral.dispatcher.leases import IN_FLIGHT, LEASE, Leased, Leases, Schedule
from shared.clock import now
from shared.db import conninfo
from shared.logging import get_logger, where
from shared.outbox import CHANNEL
from shared.pausing import pause
from shared.runtime import Runtime
from shared.telemetry import span
from shared.webhooks import DEADLINE, Key, Sender, next_attempt_at, sign

POLL = timedelta(seconds=1)
LAST_WORDS = timedelta(seconds=10)
"""How long a dispatcher that is told to stop waits for what is in flight; what is cut short is sent again later."""
RECONNECT = timedelta(seconds=0.5)

log = get_logger("dispatcher")


class Dispatcher:
    """Delivers the messages of one database; several of them share the work."""

    def __init__(
        self,
        runtime: Runtime,
        *,
        in_flight: int = IN_FLIGHT,
        lease: timedelta = LEASE,
        deadline: timedelta = DEADLINE,
        poll: timedelta = POLL,
        schedule: Schedule = next_attempt_at,
    ) -> None:
        self._runtime = runtime
        self._leases = Leases(runtime, in_flight=in_flight, lease=lease, schedule=schedule)
        self._deadline = deadline
        self._poll = poll
        self._wake = asyncio.Event()
        self._in_hand: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop` is set, then let what is in flight end; a lost database is waited for."""
        async with Sender(production=not self._runtime.settings.development) as sender:
            beside = [asyncio.create_task(self._listen()), asyncio.create_task(self._wake_on(stop))]
            try:
                while not stop.is_set():
                    await self._round(sender)
                    await self._pause()
            finally:
                await _end(self._in_hand, LAST_WORDS)
                await _end(beside, timedelta())

    async def _round(self, sender: Sender) -> None:
        try:
            leased = await asyncio.to_thread(self._leases.take)
        except SQLAlchemyError as error:
            log.warning("dispatcher_lost_database", error=where(error))
            return
        for each in leased:
            task = asyncio.create_task(self._deliver(sender, each))
            self._in_hand.add(task)
            task.add_done_callback(self._let_go)

    async def _deliver(self, sender: Sender, leased: Leased) -> None:
        began_at, body = now(), body_of(leased)
        try:
            headers = self._headers(leased, body)
            with span(self._runtime.tracer, f"webhook {leased.type}", SpanKind.CLIENT, leased.traceparent) as traced:
                outcome = await sender.send(leased.url, headers, body, deadline=self._deadline)
                traced.set_attribute("outcome", outcome.reason)
            await asyncio.to_thread(self._leases.record, leased, outcome, began_at)
        except Exception as error:  # noqa: BLE001 - whatever it is, the lease lapses and the message is sent again.
            log.error("delivery_interrupted", delivery_id=str(leased.delivery_id), error=where(error))
            return
        log.info(
            "webhook_sent",
            delivery_id=str(leased.delivery_id),
            reason=outcome.reason,
            status=outcome.status,
            correlation_id=leased.correlation_id,
        )

    def _headers(self, leased: Leased, body: bytes) -> dict[str, str]:
        """Sign with the partner's secret and with every key of ours, so that keys can change without a gap."""
        vault = self._runtime.vault
        keys: list[Key] = [open_secret(vault, leased.endpoint_id, leased.secret), *our_keys(vault).values()]
        return {**sign(leased.message_id, now(), body, keys), "X-Correlation-Id": leased.correlation_id}

    def _let_go(self, task: asyncio.Task[None]) -> None:
        """Look again: the endpoint has room now, and the next message of that referral may go."""
        self._in_hand.discard(task)
        self._wake.set()

    async def _pause(self) -> None:
        await pause(self._wake, self._poll.total_seconds())
        self._wake.clear()

    async def _wake_on(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._wake.set()

    async def _listen(self) -> None:
        """Wake on the notification that follows a commit with events: messages are written beside them."""
        address = conninfo(self._runtime.settings.database_url.get_secret_value())
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(address, autocommit=True, connect_timeout=5) as heard:
                    await heard.execute(f"LISTEN {CHANNEL}")
                    self._wake.set()  # For what was committed while nobody listened.
                    async for _ in heard.notifies():
                        self._wake.set()
            except (psycopg.Error, OSError) as error:
                # Each second is looked at anyway: without this, messages are only a little later.
                log.warning("dispatcher_hears_nothing", error=where(error))
            await asyncio.sleep(RECONNECT.total_seconds())


def body_of(leased: Leased) -> bytes:
    """Return what is sent: the same bytes at each try."""
    told = {"type": leased.type, "timestamp": leased.created_at.isoformat(), "data": leased.payload}
    return json.dumps(told, separators=(",", ":")).encode()


async def _end(tasks: Sequence[asyncio.Task[None]] | set[asyncio.Task[None]], patience: timedelta) -> None:
    """Wait a while for tasks, then cancel what is left."""
    if not tasks:
        return
    _, left = await asyncio.wait(set(tasks), timeout=patience.total_seconds())
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
