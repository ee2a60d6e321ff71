"""One process alone drains a mailbox: who holds its claim, who is refused, and what a lost claim costs."""

import asyncio
import threading

from deploy.postgres import Server
from shared.bus import Record
from shared.bus.claim import Claim
from shared.bus.embedded import EmbeddedBus, EmbeddedCarrier, SecondProcessError
from shared.ids import new_id
from tests.shared.bus.embedded_world import keys_of, waiting
from tests.shared.bus.kafka_world import Seen, consuming, until
from tests.shared.faults.bus_process import REFUSED
from tests.shared.faults.plan import Plan, ended
from tests.shared.faults.world import CONSUMER, World, embedded

CLAIMS = (
    "FROM pg_locks WHERE locktype = 'advisory' AND granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


def bus_of(world: World) -> EmbeddedBus:
    engines = {world.service: world.producer.engine, CONSUMER: world.consumer.engine}
    return EmbeddedBus(engines, {CONSUMER: [world.topic]})


def test_a_second_process_is_refused_and_the_first_keeps_working(world: World) -> None:
    bus = bus_of(world)

    async def story() -> int:
        bus.open()
        child = Plan.of(world).start("bus_process")
        return await ended(child)

    code = asyncio.run(story())

    assert code == REFUSED
    bus.close()


def is_claimed(world: World, server: Server) -> bool:
    """Whether somebody holds the mailbox: asked without trying to take it, which would turn away who comes just then."""
    with server.connect(str(world.consumer.engine.url.database)) as connection:
        return bool(connection.execute(f"SELECT 1 {CLAIMS}").fetchall())


def test_when_the_first_process_is_killed_the_next_may_start(world: World, server: Server) -> None:
    first = Plan.of(world).start("bus_process")

    def refused() -> bool:
        bus = bus_of(world)
        try:
            bus.open()
        except SecondProcessError:
            return True
        bus.close()
        return False

    async def story() -> None:
        await until(lambda: is_claimed(world, server), "the child holds the bus")
        assert refused()
        first.kill()
        await ended(first)
        await until(lambda: not refused(), "the bus is free")

    asyncio.run(story())


def end_claim(world: World, server: Server) -> None:
    """End the session that holds the mailbox, as a restart of the database would."""
    with server.connect(str(world.consumer.engine.url.database)) as connection:
        connection.execute(f"SELECT pg_terminate_backend(pid, 10000) {CLAIMS}")


def test_a_claim_that_is_lost_is_taken_anew_before_anything_is_drained(world: World, server: Server) -> None:
    bus, seen = bus_of(world), Seen()
    carrier = EmbeddedCarrier(bus, CONSUMER)

    async def story() -> bool:
        bus.open()
        async with consuming(carrier, world.topic, seen):
            end_claim(world, server)
            await carrier.publish([world.record(new_id(), 2)])
            await until(lambda: len(seen.records) == 1, "the event came")
            return Claim(world.consumer.engine).holds()

    taken_by_another = asyncio.run(story())
    bus.close()

    assert not taken_by_another


def test_whoever_lost_its_claim_to_another_drains_nothing_until_that_one_is_gone(world: World, server: Server) -> None:
    records = [world.record(new_id(), 2) for _ in range(5)]
    carrier, rival = embedded(world.consumer, world.topic), Claim(world.consumer.engine)
    seen, in_hand, go_on = Seen(), threading.Event(), threading.Event()

    def accept(record: Record, earlier: int) -> None:
        in_hand.set()
        go_on.wait(60)
        seen(record, earlier)

    async def story() -> list[str | None]:
        await carrier.publish(records)
        async with consuming(carrier, world.topic, accept):
            await until(in_hand.is_set, "an event is in hand")
            end_claim(world, server)
            assert rival.holds()
            go_on.set()
            await until(lambda: not carrier.ready(), "the loss is noticed")
            await asyncio.sleep(1.5)
            meanwhile = keys_of(seen.records)
            rival.release()
            await until(lambda: not waiting(world), "the mailbox is empty")
        return meanwhile

    meanwhile = asyncio.run(story())

    assert meanwhile == [records[0].key]
    assert keys_of(seen.records) == keys_of(records)
    assert carrier.ready()
