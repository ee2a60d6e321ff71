"""The relay that reads ahead: what is read is sent only by a leader, and what commits late is neither lost nor overtaken."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable

import psycopg

from deploy.postgres import Server
from shared.bus import CarrierDown, Record
from shared.outbox import BATCH, LEADER_LOCK, Relay
from shared.tables import outbox
from tests.shared.bus.kafka_world import until
from tests.shared.faults.relay_sights import address_of, end_leader, mailed, sessions_asking
from tests.shared.faults.world import ACT, Faults, Watched, World, count, embedded, faults

READING = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle' AND query LIKE %s"
)


class Held(Watched):
    """A carrier whose first acknowledgement waits for a test, and may be a refusal."""

    def __init__(self, world: World, *, refuses: bool = False) -> None:
        super().__init__(embedded(world.consumer, world.topic))
        self.sizes: list[int] = []
        self.waiting, self.open = asyncio.Event(), asyncio.Event()
        self._refuses = refuses

    async def publish(self, records: Iterable[Record]) -> None:
        records = list(records)
        self.sizes.append(len(records))
        if len(self.sizes) == 1 and self._refuses:
            await self.after_ack()
            raise CarrierDown("not yet")
        await super().publish(records)

    async def after_ack(self) -> None:
        self.waiting.set()
        await self.open.wait()


@contextlib.asynccontextmanager
async def relaying(world: World, carrier: Held) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(Relay(address_of(world), carrier).run(stop))
    try:
        yield
    finally:
        stop.set()
        await task


def write(world: World, number: int) -> None:
    """Store so many events of one counter in one transaction."""
    [counter] = world.counters(1)
    with world.producer.session(ACT) as session:
        for _ in range(number):
            count(session, counter)
        session.commit()


def has_read_ahead(world: World) -> bool:
    """Whether the relay's session is idle after a reading, while a batch is on its way."""
    with psycopg.connect(address_of(world)) as connection:
        row = connection.execute(READING, ("WITH carried AS%",)).fetchone()
    return bool(row and row[0])


async def held(world: World, carrier: Held) -> None:
    """Wait until one batch is on its way and the events behind it are read."""
    await until(carrier.waiting.is_set, "a batch is on its way")
    await until(lambda: has_read_ahead(world), "the next events are read")


def empty(world: World) -> bool:
    return world.rows(world.producer, outbox) == 0


def test_what_a_leader_has_read_ahead_is_not_sent_once_its_session_is_ended(world: World, server: Server) -> None:
    carrier = Held(world)
    write(world, BATCH + 1)

    async def story() -> list[int]:
        async with relaying(world, carrier), await psycopg.AsyncConnection.connect(address_of(world)) as rival:
            await held(world, carrier)
            taking = asyncio.create_task(rival.execute("SELECT pg_advisory_lock(%s)", (LEADER_LOCK,)))
            end_leader(world, server)
            await taking
            carrier.open.set()
            await until(lambda: sessions_asking(world, server) > 0, "the former leader asks to lead again")
            meanwhile = list(carrier.sizes)
            await rival.execute("SELECT pg_advisory_unlock(%s)", (LEADER_LOCK,))
            await until(lambda: empty(world), "every event is carried")
        return meanwhile

    meanwhile = asyncio.run(story())

    assert meanwhile == [BATCH]
    assert faults(mailed(world), world.versions()) == Faults(0, 0, 0)


def test_what_commits_late_while_a_batch_is_on_its_way_is_carried_too_and_in_order(world: World) -> None:
    carrier = Held(world)
    [late] = world.counters(1)

    async def story() -> None:
        with world.producer.engine.connect() as connection:
            with world.producer.session(ACT, connection) as session:
                for _ in range(2):
                    count(session, late)
                session.commit()
            write(world, BATCH + 1)
            async with relaying(world, carrier):
                await held(world, carrier)
                connection.commit()
                carrier.open.set()
                await until(lambda: empty(world), "every event is carried")

    asyncio.run(story())

    assert carrier.sizes[0] == BATCH
    assert faults(mailed(world), world.versions()) == Faults(0, 0, 0)


def test_when_a_batch_is_not_taken_nothing_behind_it_is_sent_before_it(world: World) -> None:
    carrier = Held(world, refuses=True)
    write(world, BATCH + 1)

    async def story() -> None:
        async with relaying(world, carrier):
            await held(world, carrier)
            carrier.open.set()
            await until(lambda: empty(world), "every event is carried")

    asyncio.run(story())

    assert carrier.sizes == [BATCH, BATCH, 1]
    assert faults(mailed(world), world.versions()) == Faults(0, 0, 0)
