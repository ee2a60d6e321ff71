"""The outbox: an event lives and dies with its change, one relay carries it, and a wake is never part of the business."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Iterable
from uuid import UUID

import psycopg
import pytest
from sqlalchemy.exc import IntegrityError
from sqlmodel import select

from deploy.postgres import Server
from shared.bus import Carrier, CarrierDown, Record
from shared.db import conninfo
from shared.events import decode
from shared.ids import new_id
from shared.outbox import BATCH, CHANNEL, EventTooLargeError, Relay, Waker, publish
from shared.tables import PAYLOAD_LIMIT, mailbox, outbox
from tests.shared.bus.kafka_world import until
from tests.shared.faults.outage import shut
from tests.shared.faults.world import ACT, Counter, Watched, World, count, count_once, counted_by, embedded

HOUR = 3600.0
DEADLINE = 60.0


def address_of(world: World) -> str:
    return conninfo(world.producer.settings.database_url.get_secret_value())


def rows(world: World) -> int:
    return world.rows(world.producer, outbox)


@contextlib.asynccontextmanager
async def relaying(world: World, carrier: Carrier, poll: float = 0.05) -> AsyncIterator[Relay]:
    """Relay until the end of the block; the last wake lets a relay go that waits for an hour."""
    stop = asyncio.Event()
    relay = Relay(address_of(world), carrier, poll=poll)
    task = asyncio.create_task(relay.run(stop))
    try:
        yield relay
    finally:
        stop.set()
        await notify(world)
        await task


async def notify(world: World) -> None:
    async with await psycopg.AsyncConnection.connect(address_of(world), autocommit=True) as connection:
        await connection.execute(f"NOTIFY {CHANNEL}")


def test_an_event_is_stored_with_its_change_and_as_its_consumers_read_it(world: World) -> None:
    [counter] = world.counters(1)

    count_once(world.producer, counter)

    with world.producer.engine.connect() as connection:
        row = connection.execute(outbox.select()).one()
    headers = tuple((name, value.encode()) for name, value in row.headers.items())
    told = decode(Record(row.topic, row.key, headers, row.payload), world.known)
    assert told.event == counted_by(world.service)(counter_id=counter, number=2)
    assert (told.event_id, told.key, told.sequence) == (row.event_id, str(counter), 2)
    assert (told.correlation_id, told.causation_id) == (ACT.correlation_id, None)


def test_what_is_rolled_back_was_never_said(world: World) -> None:
    [counter] = world.counters(1)

    with world.producer.session(ACT) as session:
        count(session, counter)
        session.rollback()

    assert rows(world) == 0
    assert world.versions() == {str(counter): 1}


def test_a_service_publishes_its_own_events_only(world: World) -> None:
    foreign = counted_by("elsewhere")(counter_id=new_id(), number=1)

    with world.producer.session(ACT) as session, pytest.raises(ValueError, match=f"{world.service} may not publish"):
        publish(session, Counter(), foreign)

    assert rows(world) == 0


def note_of(world: World, size: int) -> str:
    """Return a note with which the event's payload has exactly this size; letters beyond ASCII count their bytes."""
    bare = counted_by(world.service)(counter_id=UUID(int=0), number=2).model_dump_json()
    return "é" + "x" * (size - len(bare) - 2)


@pytest.mark.parametrize("size", [PAYLOAD_LIMIT, PAYLOAD_LIMIT + 1])
def test_a_payload_over_64_kib_is_refused_with_its_size_and_nothing_of_what_it_says(world: World, size: int) -> None:
    [counter] = world.counters(1)
    event = counted_by(world.service)(counter_id=UUID(int=0), number=2, note=note_of(world, size))

    with world.producer.session(ACT) as session:
        locked = session.exec(select(Counter).where(Counter.id == counter)).one()
        expected = pytest.raises(EventTooLargeError) if size > PAYLOAD_LIMIT else contextlib.nullcontext()
        with expected as refused:
            publish(session, locked, event)
        session.commit()

    assert rows(world) == (size <= PAYLOAD_LIMIT)
    if refused is not None:
        assert str(refused.value) == f"{event.type} would hold {size} bytes, and an event holds at most {PAYLOAD_LIMIT}"


def test_the_database_refuses_a_payload_over_64_kib_too(world: World) -> None:
    values = {"event_id": new_id(), "topic": world.topic, "key": "key", "headers": {}}

    with world.producer.engine.begin() as connection:
        connection.execute(outbox.insert().values(**values, payload=bytes(PAYLOAD_LIMIT)))
    with world.producer.engine.connect() as connection, pytest.raises(IntegrityError, match="ck_outbox_payload_size"):
        connection.execute(outbox.insert().values(**values, payload=bytes(PAYLOAD_LIMIT + 1)))


def test_more_events_than_one_batch_are_carried_in_order(world: World) -> None:
    [counter] = world.counters(1)
    with world.producer.session(ACT) as session:
        for _ in range(BATCH + 1):
            count(session, counter)
        session.commit()
    carrier = Watched(embedded(world.consumer, world.topic))

    async def story() -> None:
        async with relaying(world, carrier, poll=HOUR):
            await until(lambda: rows(world) == 0, "every event is carried")

    asyncio.run(story())

    with world.consumer.engine.connect() as connection:
        came = [int(row.headers["ce_sequence"]) for row in connection.execute(mailbox.select().order_by(mailbox.c.id))]
    assert came == list(range(2, BATCH + 3))
    assert carrier.published == 2


class Flaky(Watched):
    """A carrier that takes nothing at first."""

    def __init__(self, carrier: Carrier, failures: int) -> None:
        super().__init__(carrier)
        self.failures = failures

    async def publish(self, records: Iterable[Record]) -> None:
        if self.failures:
            self.failures -= 1
            raise CarrierDown("not yet")
        await super().publish(records)


def test_what_the_carrier_did_not_take_stays_and_is_carried_later(world: World) -> None:
    [counter] = world.counters(1)
    carrier = Flaky(embedded(world.consumer, world.topic), failures=2)

    async def story() -> None:
        async with relaying(world, carrier, poll=HOUR):
            await asyncio.to_thread(count_once, world.producer, counter)
            await notify(world)
            await until(lambda: rows(world) == 0, "the event is carried")

    asyncio.run(story())

    assert carrier.failures == 0
    assert world.rows(world.consumer, mailbox) == 1


def test_a_relay_whose_database_was_away_comes_back_by_itself(world: World, server: Server) -> None:
    counters = world.counters(2)
    carrier = Watched(embedded(world.consumer, world.topic))

    async def story() -> None:
        async with relaying(world, carrier) as relay:
            await until(lambda: relay.leading, "it leads")
            with shut(server, world.producer):
                await until(lambda: not relay.leading, "the loss is noticed")
            await asyncio.to_thread(count_once, world.producer, *counters)
            await until(lambda: rows(world) == 0, "the events are carried")

    asyncio.run(story())

    assert world.rows(world.consumer, mailbox) == 2


def test_a_wake_brings_the_relay_to_work_long_before_its_poll(world: World) -> None:
    [counter] = world.counters(1)
    carrier = Watched(embedded(world.consumer, world.topic))
    waker = Waker(address_of(world))

    async def story() -> None:
        async with relaying(world, carrier, poll=HOUR):
            await until(lambda: listening(world), "the relay listens")
            await asyncio.to_thread(count_once, world.producer, counter)
            waker.wake()
            await until(lambda: rows(world) == 0, "the event is carried")

    asyncio.run(story())
    waker.close()

    assert carrier.published == 1


def test_the_notification_comes_from_a_session_of_its_own_after_the_commit(world: World) -> None:
    [counter] = world.counters(1)
    waker = Waker(address_of(world))

    with psycopg.connect(address_of(world), autocommit=True) as listener:
        listener.execute(f"LISTEN {CHANNEL}")
        with world.producer.session(ACT) as session:
            business = session.connection().exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
            count(session, counter)
            session.commit()
        silent = list(listener.notifies(timeout=1))
        waker.wake()
        heard = list(listener.notifies(timeout=DEADLINE, stop_after=1))
    waker.close()

    assert silent == []
    assert [notice.channel for notice in heard] == [CHANNEL]
    assert heard[0].pid != business


def test_a_waker_whose_database_was_away_wakes_again_after(world: World, server: Server) -> None:
    waker = Waker(address_of(world))

    with shut(server, world.producer):
        waker.wake()
    with psycopg.connect(address_of(world), autocommit=True) as listener:
        listener.execute(f"LISTEN {CHANNEL}")
        while not list(listener.notifies(timeout=0.2, stop_after=1)):
            waker.wake()
    waker.close()

    assert not waker._thread.is_alive()


def test_a_waker_does_not_storm_a_database_that_refuses_it() -> None:
    refused = 0
    with socket.create_server(("127.0.0.1", 0)) as door:
        door.settimeout(2)
        waker = Waker(f"host=127.0.0.1 port={door.getsockname()[1]} dbname=none user=nobody sslmode=disable")
        waker.wake()
        until_when = time.monotonic() + 2
        while time.monotonic() < until_when:
            with contextlib.suppress(TimeoutError):
                door.accept()[0].close()
                refused += 1
        waker.close()

    assert 0 < refused < 50


def listening(world: World) -> bool:
    """Whether the relay is where only a notification, or its poll, moves it on."""
    with psycopg.connect(address_of(world)) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND state = 'idle' AND query LIKE 'WITH carried AS%'"
        ).fetchone()
    return bool(row and row[0])
