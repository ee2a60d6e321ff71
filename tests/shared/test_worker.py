"""The event process: it carries, handles, fetches and cleans; on SIGTERM it finishes the event in hand, and no other."""

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from deploy.postgres import Server
from shared.bus import Carrier
from shared.bus.embedded import EmbeddedBus, EmbeddedCarrier
from shared.clock import now
from shared.contracts import KNOWN
from shared.contracts.intake import CaseClosed, CaseOpened
from shared.contracts.referral import ReferralAccepted
from shared.db import conninfo
from shared.events import Event, Handlers
from shared.idempotency import Answer, keep_answer
from shared.ids import new_id
from shared.outbox import Waker
from shared.tables import idempotency, inbox, outbox
from shared.worker import Loop, Worker
from tests.shared.bus.kafka_world import until
from tests.shared.faults.outage import shut
from tests.shared.faults.plan import Plan, ended
from tests.shared.faults.world import (
    ACT,
    CONSUMER,
    Faults,
    Watched,
    World,
    count_once,
    counted_by,
    embedded,
    faults,
    note_effect,
    open_runtime,
)


def ignore(session: object, event: object) -> None:
    """Handle an event by doing nothing."""


def worker_of(world: World, carrier: Carrier, extra: Sequence[Loop] = ()) -> Worker:
    handlers: Handlers = {counted_by(world.service): note_effect}
    return Worker(world.consumer, carrier, handlers, world.known, extra=extra)


@contextlib.asynccontextmanager
async def working(*workers: Worker) -> AsyncIterator[None]:
    stop = asyncio.Event()
    tasks = [asyncio.create_task(worker.run(stop)) for worker in workers]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*tasks)


def test_a_worker_listens_to_the_topics_of_those_whose_events_it_handles(world: World) -> None:
    handlers: dict[type[Event], object] = {CaseOpened: ignore, ReferralAccepted: ignore, CaseClosed: ignore}

    worker = Worker(world.consumer, embedded(world.consumer, world.topic), handlers, KNOWN)  # type: ignore[arg-type]

    assert worker.topics() == ["intake.events", "referral.events"]


def test_a_worker_ignores_what_it_knows_and_does_nothing_on(world: World) -> None:
    known: dict[str, type[Event]] = {event.type: event for event in (CaseOpened, CaseClosed)}

    worker = Worker(world.consumer, embedded(world.consumer, world.topic), {CaseOpened: ignore}, known)

    assert worker.ignored() == {CaseClosed.type}


def test_two_services_in_one_process_an_event_has_its_effect(world: World) -> None:
    engines = {world.service: world.producer.engine, CONSUMER: world.consumer.engine}
    bus = EmbeddedBus(engines, {CONSUMER: [world.topic]})
    address = world.producer.settings.database_url.get_secret_value()
    waker = Waker(conninfo(address))
    producer = open_runtime(world.service, address, wake=waker.wake)
    counters = world.counters(5)

    async def story() -> None:
        bus.open()
        producing = Worker(producer, EmbeddedCarrier(bus, world.service), {}, world.known)
        async with working(producing, worker_of(world, EmbeddedCarrier(bus, CONSUMER))):
            for _ in range(4):
                await asyncio.to_thread(count_once, producer, *counters)
            await until(lambda: len(world.effects()) == 20, "every event has its effect")

    asyncio.run(story())
    bus.close()
    waker.close()
    producer.close()

    assert faults(world.effects(), world.versions()) == Faults(0, 0, 0)
    assert world.rows(world.producer, outbox) == 0


async def terminate_in_mid_event(plan: Plan, gate: Path) -> tuple[int | None, int]:
    """Send SIGTERM while an event is in hand; return how the process was before it could finish, and how it ended."""
    child: subprocess.Popen[bytes] = plan.start("worker_process")
    await until((gate / "in_hand").exists, "an event is in hand")
    child.terminate()
    await asyncio.sleep(0.5)
    before = child.poll()
    (gate / "go_on").touch()
    return before, await ended(child)


def test_on_sigterm_a_worker_finishes_the_event_in_hand_and_takes_no_other(world: World, tmp_path: Path) -> None:
    records = [world.record(new_id(), 2) for _ in range(4)]

    async def story() -> tuple[int | None, int]:
        await embedded(world.consumer, world.topic).publish(records)
        return await terminate_in_mid_event(Plan.of(world, gate=str(tmp_path)), tmp_path)

    before, end = asyncio.run(story())

    assert (before, end) == (None, 0)
    assert world.effects() == [(records[0].key, 2)]


def test_a_loop_that_breaks_ends_the_worker_and_lets_its_carrier_go(world: World) -> None:
    carrier = Stoppable(embedded(world.consumer, world.topic))

    async def broken(_stop: asyncio.Event) -> None:
        await asyncio.sleep(0)
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as group:
        asyncio.run(worker_of(world, carrier, [broken]).run(asyncio.Event()))

    assert group.group_contains(ZeroDivisionError)
    assert carrier.stopped


def test_a_worker_outlives_an_outage_of_its_database_from_the_start_on(world: World, server: Server) -> None:
    record = world.record(new_id(), 2)
    carrier = embedded(world.consumer, world.topic)

    async def story() -> None:
        with shut(server, world.consumer):
            stop = asyncio.Event()
            task = asyncio.create_task(worker_of(world, carrier).run(stop))
            await asyncio.sleep(1)
            assert not task.done()
        await carrier.publish([record])
        await until(lambda: len(world.effects()) == 1, "the event is handled")
        stop.set()
        await task

    asyncio.run(story())

    assert world.effects() == [(record.key, 2)]


def test_a_worker_forgets_what_is_too_old_to_be_asked_for(world: World) -> None:
    old = now() - timedelta(days=40)
    with world.consumer.session(ACT) as session:
        for key_mac in (b"old", b"new"):
            session.info["idempotency"] = (key_mac, b"")
            keep_answer(session, Answer(201, {}, b""))
        session.commit()  # Answers are stored with it.
        connection = session.connection()
        connection.execute(idempotency.update().where(idempotency.c.key_mac == b"old").values(created_at=old))
        connection.execute(inbox.insert().values(event_id=new_id(), handled_at=old))
        session.commit()

    async def story() -> None:
        async with working(worker_of(world, embedded(world.consumer, world.topic))):
            await until(lambda: world.rows(world.consumer, inbox) == 0, "the old event is forgotten")

    asyncio.run(story())

    with world.consumer.engine.connect() as connection:
        assert connection.execute(idempotency.select()).one().key_mac == b"new"


class Stoppable(Watched):
    """A carrier that remembers that it was let go."""

    stopped = False

    async def stop(self) -> None:
        self.stopped = True
        await super().stop()
