"""Consumers killed within a handler's transaction, and poison on a real topic: every effect once, the rest flows."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest

from deploy.kafka.broker import Broker
from shared.bus import Record
from shared.bus.kafka import KafkaCarrier
from shared.events import Handlers
from shared.ids import new_id
from shared.inbox import Inbox
from shared.tables import dead_letter, mailbox
from tests.shared.bus.kafka_world import carrier, consuming, until
from tests.shared.faults.kafka_tools import bury, open_wide, write_raw
from tests.shared.faults.plan import Plan, ended
from tests.shared.faults.poison import NEVER_IN_A_MAILBOX, POISON, REASONS
from tests.shared.faults.world import (
    CONSUMER,
    SOAK,
    TIMEOUT,
    Faults,
    World,
    counted_by,
    embedded,
    faults,
    kafka,
    note_effect,
)

KILLS = 10 if SOAK else 3
COUNTERS = 8
pytestmark = pytest.mark.timeout(TIMEOUT)
NUMBERS = 10
"""Events per counter; each consumer dies at an early one, so that some are left for the last."""
PAUSE = 0.3


def stream(world: World) -> tuple[list[Record], dict[str, int]]:
    """Return the records of several counters, in order, and what each counter came to."""
    counters = [new_id() for _ in range(COUNTERS)]
    records = [world.record(counter, number) for number in range(2, NUMBERS + 2) for counter in counters]
    return records, {str(counter): NUMBERS + 1 for counter in counters}


async def kill_consumers(plan: Plan, mourn: Callable[[], Awaitable[None]]) -> list[int]:
    """Let consumers be killed in their fifth event, one after another; a last one lives until all is handled."""
    deaths = []
    for _ in range(KILLS):
        deaths.append(await ended(plan.model_copy(update={"die_at": 5}).start("consumer_process")))
        await mourn()
    return deaths


def test_consumers_killed_in_mid_handler_on_the_embedded_carrier(world: World) -> None:
    records, versions = stream(world)
    plan = Plan.of(world)

    async def nothing() -> None:
        """Nobody waits for a dead consumer here."""

    async def story() -> tuple[list[int], int]:
        await embedded(world.consumer, world.topic).publish(records)
        deaths = await kill_consumers(plan, nothing)
        last = plan.start("consumer_process")
        await until(lambda: world.rows(world.consumer, mailbox) == 0, "every event is handled")
        last.terminate()
        return deaths, await ended(last)

    deaths, end = asyncio.run(story())

    assert deaths == [-signal.SIGKILL] * KILLS
    assert end == 0
    assert faults(world.effects(), versions) == Faults(0, 0, 0)


def test_consumers_killed_in_mid_handler_while_members_join_and_leave_on_kafka(world: World, broker: Broker) -> None:
    counters = [new_id() for _ in range(COUNTERS)]
    plan = Plan.of(world, bootstrap=broker.bootstrap)
    handle = Inbox(world.consumer, {counted_by(world.service): note_effect}, world.known).accept
    enough = asyncio.Event()

    async def write(writer: KafkaCarrier) -> int:
        """Write one event per counter again and again; return the version that each came to."""
        number = 1
        while not enough.is_set():
            number += 1
            await writer.publish([world.record(counter, number) for counter in counters])
            await asyncio.sleep(PAUSE)
        return number

    async def kill_one() -> int:
        doomed = plan.model_copy(update={"die_at": 2}).start("consumer_process")
        guest = kafka(broker.bootstrap, world.service)
        async with consuming(guest, world.topic, handle):
            await guest.start()
            await until(guest.ready, "a member has joined")
        await guest.stop()
        death = await ended(doomed)
        await bury(broker.bootstrap, f"{world.service}-{CONSUMER}")
        return death

    async def story() -> tuple[list[int], int, int]:
        async with carrier(broker.bootstrap, "writer", world.topic) as writer:
            writing = asyncio.create_task(write(writer))
            deaths = [await kill_one() for _ in range(KILLS)]
            enough.set()
            version = await writing
        last = plan.start("consumer_process")
        await until(lambda: len(world.effects()) >= (version - 1) * COUNTERS, "every event is handled")
        last.terminate()
        return deaths, version, await ended(last)

    deaths, version, end = asyncio.run(story())

    assert deaths == [-signal.SIGKILL] * KILLS
    assert end == 0
    assert faults(world.effects(), {str(counter): version for counter in counters}) == Faults(0, 0, 0)


def test_poison_on_a_topic_becomes_one_dead_letter_each_parks_its_key_and_the_rest_flows(
    world: World, broker: Broker
) -> None:
    keys = {name: new_id() for name in POISON}
    sound = new_id()
    bad = [spoil(world.record(keys[name], 2)) for name, spoil in POISON.items()]
    failing = world.record(new_id(), 2, note="fails")
    behind = [world.record(UUID(record.key), 3) for record in [*bad, failing] if record.key]
    good = [world.record(sound, number) for number in range(2, 6)]

    async def story() -> None:
        await open_wide(broker.bootstrap, world.topic)
        await write_raw(broker.bootstrap, [good[0], *bad, good[1], failing, *bad, good[2], *behind, good[3]])
        way = kafka(broker.bootstrap, world.service)
        await way.start()
        async with consuming(way, world.topic, poisoned_inbox(world).accept):
            await until(lambda: len(world.effects()) >= len(good), "what is sound is handled")
            await until(lambda: way.lag() == 0, "nothing lags behind")
        await way.stop()

    asyncio.run(story())

    letters = kept(world)
    dead = {(key, reason) for key, reason, state in letters if state == "dead"}
    parked = [key for key, _, state in letters if state == "parked"]
    assert world.effects() == [(str(sound), number) for number in range(2, 6)]
    assert dead == {(record.key, REASONS[name]) for name, record in zip(POISON, bad, strict=True)} | {
        (failing.key, "handler:ZeroDivisionError")
    }
    assert parked == [record.key for record in behind]
    assert len(letters) == len(bad) + 1 + len(behind)


def test_poison_in_the_mailbox_becomes_one_dead_letter_each_parks_its_key_and_the_rest_flows(world: World) -> None:
    names = [name for name in POISON if name not in NEVER_IN_A_MAILBOX]
    sound = new_id()
    bad = [POISON[name](world.record(new_id(), 2)) for name in names]
    failing = world.record(new_id(), 2, note="fails")
    behind = [world.record(UUID(record.key), 3) for record in [*bad, failing] if record.key]
    good = [world.record(sound, number) for number in range(2, 6)]
    bus = embedded(world.consumer, world.topic)

    async def story() -> None:
        await bus.publish([good[0], *bad, good[1], failing, good[2], *behind, good[3]])
        stop = asyncio.Event()
        task = asyncio.create_task(bus.consume([world.topic], poisoned_inbox(world).accept, stop))
        await until(lambda: world.rows(world.consumer, mailbox) == 0, "everything is handled or kept")
        stop.set()
        await task

    asyncio.run(story())

    letters = kept(world)
    assert world.effects() == [(str(sound), number) for number in range(2, 6)]
    assert {(key, reason) for key, reason, state in letters if state == "dead"} == {
        (record.key, REASONS[name]) for name, record in zip(names, bad, strict=True)
    } | {(failing.key, "handler:ZeroDivisionError")}
    assert sorted(key or "" for key, _, state in letters if state == "parked") == sorted(r.key or "" for r in behind)
    assert len(letters) == len(bad) + 1 + len(behind)


def poisoned_inbox(world: World) -> Inbox:
    """Return an inbox whose handler cannot bear one kind of event."""

    def note(session: object, event: object) -> None:
        if getattr(event, "note", "") == "fails":
            _ = 1 // 0
        note_effect(session, event)  # type: ignore[arg-type]

    handlers: Handlers = {counted_by(world.service): note}
    return Inbox(world.consumer, handlers, world.known, delays=(0.05, 0.05))


def kept(world: World) -> list[tuple[str | None, str, str]]:
    """Return the dead letters: key, reason and state, in order."""
    with world.consumer.engine.connect() as connection:
        rows = connection.execute(dead_letter.select().order_by(dead_letter.c.id))
        return [(row.key, row.reason, row.state) for row in rows]
