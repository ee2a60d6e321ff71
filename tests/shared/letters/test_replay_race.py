"""A replay while events of the same key keep arriving: nothing lost, doubled or out of order, and the key flows again."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from functools import partial
from uuid import UUID

import pytest

from deploy.kafka.broker import Broker
from shared.bus import Carrier
from shared.events import Handlers
from shared.ids import new_id
from shared.worker import Worker
from tests.shared.bus.kafka_world import consuming, until
from tests.shared.faults.world import SOAK, TIMEOUT, World, counted_by, embedded, kafka, note_effect
from tests.shared.letters.desk import NEVER, Bug, Desk

pytestmark = pytest.mark.timeout(TIMEOUT)
ROUNDS = 300 if SOAK else 12
FIRST_ARRIVAL, LAST_ARRIVAL = 3, 7


def race(desk: Desk, key: UUID, act: Callable[[], None]) -> None:
    """Let events of a key arrive while an operator acts on its first letter and two workers replay."""
    ready = threading.Barrier(4)
    done = [threading.Event(), threading.Event()]

    def arrive() -> None:
        ready.wait()
        desk.bring(*(desk.world.record(key, number) for number in range(FIRST_ARRIVAL, LAST_ARRIVAL)))
        done[0].set()

    def operate() -> None:
        ready.wait()
        act()
        done[1].set()

    def replay() -> None:
        ready.wait()
        while not all(each.is_set() for each in done):
            desk.replayer.replay_heads(NEVER)

    threads = [threading.Thread(target=part) for part in (arrive, operate, replay, replay)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    desk.replay()


@pytest.mark.parametrize("lets_go", ["replay", "discard"])
def test_events_that_arrive_while_a_line_is_let_go_neither_overtake_it_nor_are_left_behind(
    world: World, lets_go: str
) -> None:
    bug = Bug(2)
    desk = Desk(world, bug)
    keys = [new_id() for _ in range(ROUNDS)]

    for key in keys:
        bug.numbers = {2}
        desk.bring(world.record(key, 2))
        bug.mend()
        [first] = [place for place, letter in enumerate(desk.letters()) if letter.key == str(key)]
        race(desk, key, partial(desk.ask_replay if lets_go == "replay" else desk.discard, first))

    expected = list(range(FIRST_ARRIVAL if lets_go == "discard" else 2, LAST_ARRIVAL))
    came = {key: [number for got, number in world.effects() if got == str(key)] for key in keys}
    assert {str(key): got for key, got in came.items() if got != expected} == {}
    assert not {"dead", "due", "parked"} & set(desk.states())


@contextlib.asynccontextmanager
async def working(desk: Desk, carrier: Carrier) -> AsyncIterator[None]:
    """Let events arrive by this carrier and replays go on beside them."""
    stop = asyncio.Event()
    async with consuming(carrier, desk.world.topic, desk.box.accept):
        replaying = asyncio.create_task(desk.replayer.run(stop))
        yield
        stop.set()
        await replaying


async def mend_and_replay(desk: Desk, bug: Bug, carrier: Carrier, key: UUID) -> None:
    """Bring events of which the first fails, mend the handler, replay, and bring more all the while."""
    record = desk.world.record
    async with working(desk, carrier):
        await carrier.publish([record(key, number) for number in range(2, 6)])
        await until(lambda: desk.states() == ["dead", "parked", "parked", "parked"], "the key is parked")
        bug.mend()
        desk.ask_replay(0)
        for number in range(6, 12):
            await carrier.publish([record(key, number)])
        await until(lambda: len(desk.world.effects()) >= 10, "all is handled")


def test_a_replay_on_the_embedded_carrier_with_events_arriving_meanwhile(world: World) -> None:
    key, bug = new_id(), Bug(2)
    desk = Desk(world, bug)

    asyncio.run(mend_and_replay(desk, bug, embedded(world.consumer, world.topic), key))

    assert world.effects() == [(str(key), number) for number in range(2, 12)]
    assert set(desk.states()) == {"replayed"}


def test_a_replay_on_kafka_with_events_arriving_meanwhile(world: World, broker: Broker) -> None:
    key, bug = new_id(), Bug(2)
    desk = Desk(world, bug)

    async def story() -> None:
        carrier = kafka(broker.bootstrap, world.service)
        await carrier.start()
        await until(carrier.ready, "the broker answers")
        await mend_and_replay(desk, bug, carrier, key)
        await carrier.stop()

    asyncio.run(story())

    assert world.effects() == [(str(key), number) for number in range(2, 12)]
    assert set(desk.states()) == {"replayed"}


def test_the_worker_of_a_service_carries_out_what_was_asked_for(world: World) -> None:
    key, bug = new_id(), Bug(2)
    desk = Desk(world, bug)
    desk.bring(world.record(key, 2), world.record(key, 3))
    desk.ask_replay(0)
    handlers: Handlers = {counted_by(world.service): note_effect}
    worker = Worker(world.consumer, embedded(world.consumer, world.topic), handlers, world.known)

    async def story() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(worker.run(stop))
        await until(lambda: desk.states() == ["replayed", "replayed"], "the letters are replayed")
        stop.set()
        await running

    asyncio.run(story())

    assert world.effects() == [(str(key), 2), (str(key), 3)]
