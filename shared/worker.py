"""The event process of a service: relay its outbox, consume, fetch details, seal its trail, rotate keys, forget what is old."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from shared.bus import Carrier
from shared.chain.sealer import Sealer
from shared.db import conninfo
from shared.ending import end_in_time
from shared.erasures import Ledgering
from shared.events import Event, Handlers, topic_of
from shared.fetch import Appliers, Fetcher
from shared.idempotency import forget_old_keys
from shared.inbox import Inbox, forget_closed_letters, forget_old_events
from shared.keys import KIT, Dependent, Rotation
from shared.letters.replayer import Replayer
from shared.logging import get_logger, where
from shared.outbox import Relay
from shared.pausing import pause
from shared.runtime import Act, Runtime

CLEANING_SECONDS = 3600.0
Loop = Callable[[asyncio.Event], Coroutine[Any, Any, None]]

log = get_logger("worker")


@dataclass(slots=True)
class Worker:
    """What one service does besides answering requests."""

    runtime: Runtime
    carrier: Carrier
    handlers: Handlers
    known: Mapping[str, type[Event]]
    apply: Appliers = field(default_factory=dict)
    keys: Sequence[Dependent] = KIT
    """What of the service hangs on its keys."""
    extra: Sequence[Loop] = ()
    """Loops of a service's own, such as its clocks."""

    def topics(self) -> list[str]:
        """Return the topics of the services whose events we handle."""
        return sorted({topic_of(event.producer()) for event in self.handlers})

    def ignored(self) -> frozenset[str]:
        """Return the types of event that we know and do nothing on."""
        return frozenset(name for name, event in self.known.items() if event not in self.handlers)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then finish what is in hand; a loop that breaks ends the process, never silently."""
        relay = Relay(
            conninfo(self.runtime.settings.database_url.get_secret_value()), self.carrier, tracer=self.runtime.tracer
        )
        inbox = Inbox(self.runtime, self.handlers, self.known)
        fetcher = Fetcher(self.runtime, self.apply)
        sealer = Sealer(self.runtime, self.known)
        await self.carrier.start()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(relay.run(stop))
                if self.handlers:
                    group.create_task(self.carrier.consume(self.topics(), inbox.accept, stop, inbox.together))
                    group.create_task(Replayer(self.runtime.engine, inbox.replay).run(stop))
                group.create_task(fetcher.run(stop))
                group.create_task(sealer.run(stop))
                group.create_task(self._clean(stop))
                group.create_task(Rotation(self.runtime, self.keys).run(stop))
                group.create_task(Ledgering(self.runtime).run(stop))
                for loop in self.extra:
                    group.create_task(loop(stop))
        finally:
            await self.carrier.stop()

    async def _clean(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await asyncio.to_thread(self._forget)
            except SQLAlchemyError as error:
                log.warning("cleaning_failed", error=where(error))
            await pause(stop, CLEANING_SECONDS)

    def _forget(self) -> None:
        with self.runtime.session(Act("system", "forget_old", "cleaning")) as session:
            forget_old_keys(session)
            forget_old_events(session)
            forget_closed_letters(session)
            session.commit()


def stop_on_signals() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set; the process is gone 15 s later, whatever hangs."""
    stop = asyncio.Event()

    def told() -> None:
        stop.set()
        end_in_time()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told)
    return stop
