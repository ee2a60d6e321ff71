"""The embedded carrier on real databases: one process alone, order per key, and nobody held up by another's failure."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from uuid import UUID

import pytest

from deploy.postgres import Server
from shared.bus import CarrierDown, Record, Retry
from shared.bus.embedded import EmbeddedBus, EmbeddedCarrier
from shared.ids import new_id
from shared.tables import mailbox
from tests.shared.bus.embedded_world import keys_of, waiting
from tests.shared.bus.kafka_world import Seen, consuming, until
from tests.shared.faults.outage import shut
from tests.shared.faults.world import CONSUMER, World, embedded

CANARY = "Nguyễn Thị Hằng"


def test_an_event_that_is_published_again_while_it_waits_lies_in_the_mailbox_once(world: World) -> None:
    records = [world.record(new_id(), number) for number in range(2, 5)]
    carrier = embedded(world.consumer, world.topic)

    async def story() -> None:
        await carrier.publish(records[:2])
        await carrier.publish(records)

    asyncio.run(story())

    assert waiting(world) == [(record.key, 0) for record in records]


def test_records_arrive_whole_and_in_order_per_key(world: World) -> None:
    keys = [new_id() for _ in range(30)]
    records = [world.record(key, number) for number in range(2, 8) for key in keys]
    carrier, seen = embedded(world.consumer, world.topic), Seen()

    async def story() -> None:
        await carrier.start()
        async with consuming(carrier, world.topic, seen):
            await carrier.publish(records)
            await until(lambda: len(seen.records) >= len(records), "every record came")
            await until(lambda: not waiting(world), "the mailbox is empty")
        await carrier.stop()

    asyncio.run(story())

    came = {record.headers: record for record in seen.records}
    assert seen.per_key() == {str(key): [record.value for record in records if record.key == str(key)] for key in keys}
    assert {frozenset(headers) for headers in came} == {frozenset(record.headers) for record in records}
    assert set(seen.tries) == {0}
    assert carrier.ready()
    assert carrier.lag() == 0


def test_a_failing_key_is_tried_again_after_its_delay_and_holds_up_no_other(world: World) -> None:
    failing, sound = new_id(), new_id()
    records = [world.record(key, number) for number in range(2, 5) for key in (failing, sound)]
    seen, tries, released = Seen(), list[int](), threading.Event()

    def accept(record: Record, earlier: int) -> None:
        if record.key == str(failing) and not released.is_set():
            tries.append(earlier)
            raise Retry(0.05, counts=len(tries) != 2)
        seen(record, earlier)

    async def story() -> tuple[list[str | None], list[tuple[str, int]]]:
        carrier = embedded(world.consumer, world.topic)
        async with consuming(carrier, world.topic, accept):
            await carrier.publish(records)
            await until(lambda: len(seen.records) >= 3 and len(tries) >= 4, "the sound key flows")
            before, behind = keys_of(seen.records), waiting(world)
            released.set()
            await until(lambda: not waiting(world), "the failing key flows too")
        return before, behind

    before, behind = asyncio.run(story())

    assert before == [str(sound)] * 3
    assert tries[:4] == [0, 1, 1, 2]
    assert [key for key, _ in behind] == [str(failing)] * 3
    assert [attempts for _, attempts in behind][1:] == [0, 0]
    assert seen.per_key()[str(failing)] == [record.value for record in records if record.key == str(failing)]


def test_any_other_error_is_tried_again_without_counting_or_telling_what_it_says(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    seen, errors = Seen(), [StopIteration(CANARY), ValueError(CANARY)]

    def accept(record: Record, earlier: int) -> None:
        if errors:
            raise errors.pop()
        seen(record, earlier)

    async def story() -> None:
        carrier = embedded(world.consumer, world.topic)
        async with consuming(carrier, world.topic, accept):
            await carrier.publish([world.record(new_id(), 2)])
            await until(lambda: len(seen.records) == 1, "the record is accepted")

    asyncio.run(story())

    assert seen.tries == [0]
    assert CANARY not in caplog.text


def test_one_failing_consumer_holds_up_no_other(world: World) -> None:
    """The producing service consumes here as well: its database is the second consumer's."""
    engines = {"failing": world.producer.engine, "sound": world.consumer.engine}
    bus = EmbeddedBus(engines, {"failing": [world.topic], "sound": [world.topic]})
    failing, sound, seen = EmbeddedCarrier(bus, "failing"), EmbeddedCarrier(bus, "sound"), Seen()
    key = new_id()
    records = [world.record(key, number) for number in range(2, 12)]

    def fail(record: Record, earlier: int) -> None:  # noqa: ARG001 - an accept is given both
        raise Retry(0.05)

    async def story() -> None:
        async with consuming(failing, world.topic, fail), consuming(sound, world.topic, seen):
            await failing.publish(records)
            await until(lambda: len(seen.records) >= len(records), "the sound consumer has all")

    asyncio.run(story())

    assert seen.per_key() == {str(key): [record.value for record in records]}
    assert world.rows(world.producer, mailbox) == len(records)


def test_a_topic_that_nobody_consumes_is_published_to_nobody(world: World) -> None:
    carrier = embedded(world.consumer, "other.events")

    asyncio.run(carrier.publish([world.record(new_id(), 2)]))

    assert waiting(world) == []


def test_what_a_service_ignores_is_not_brought_to_it_and_a_type_that_nobody_knows_is(world: World) -> None:
    ignored, sound = world.record(new_id(), 2), world.record(new_id(), 2)
    headers = tuple((name, b"nobody.knows.v1" if name == "ce_type" else value) for name, value in ignored.headers)
    unknown = ignored._replace(headers=headers)
    told = {name: (value or b"").decode() for name, value in sound.headers}
    spared = EmbeddedBus({CONSUMER: world.consumer.engine}, {CONSUMER: [world.topic]}, {CONSUMER: {told["ce_type"]}})

    asyncio.run(EmbeddedCarrier(spared, CONSUMER).publish([ignored, unknown, sound]))

    with world.consumer.engine.connect() as connection:
        rows = connection.execute(mailbox.select()).all()
    assert [row.headers["ce_type"] for row in rows] == ["nobody.knows.v1"]


def test_what_is_handled_together_is_gone_and_what_is_not_is_brought_alone(world: World) -> None:
    keys = [new_id() for _ in range(4)]
    records = [world.record(key, number) for number in (2, 3) for key in keys]
    alone, offered = Seen(), list[int]()

    def together(records: Sequence[Record], go_on: Callable[[], bool]) -> int:
        offered.append(len(records))
        return 5 if len(offered) == 1 and go_on() else 0

    async def story() -> None:
        carrier = embedded(world.consumer, world.topic)
        await carrier.publish(records)
        stop = asyncio.Event()
        task = asyncio.create_task(carrier.consume([world.topic], alone, stop, together))
        await until(lambda: not waiting(world), "the mailbox is empty")
        stop.set()
        await task

    asyncio.run(story())

    assert offered == [8, 3]
    assert alone.values() == [record.value for record in records[5:]]


def test_told_to_stop_it_finishes_the_event_in_hand_only(world: World) -> None:
    records = [world.record(new_id(), 2) for _ in range(5)]
    seen, in_hand, go_on = Seen(), threading.Event(), threading.Event()

    def accept(record: Record, earlier: int) -> None:
        in_hand.set()
        go_on.wait(60)
        seen(record, earlier)

    async def story() -> None:
        carrier = embedded(world.consumer, world.topic)
        await carrier.publish(records)
        async with consuming(carrier, world.topic, accept) as stop:
            await until(in_hand.is_set, "an event is in hand")
            stop.set()
            go_on.set()

    asyncio.run(story())

    assert len(seen.records) == 1
    assert [UUID(key) for key, _ in waiting(world)] == [UUID(record.key) for record in records[1:]]


def test_while_a_consumers_database_is_away_nothing_is_acknowledged_and_consuming_goes_on_after(
    world: World, server: Server
) -> None:
    record, seen = world.record(new_id(), 2), Seen()
    carrier = embedded(world.consumer, world.topic)

    async def story() -> None:
        async with consuming(carrier, world.topic, seen):
            with shut(server, world.consumer), pytest.raises(CarrierDown, match=CONSUMER):
                await carrier.publish([record])
            await carrier.publish([record])
            await until(lambda: len(seen.records) == 1, "the record came")

    asyncio.run(story())

    assert keys_of(seen.records) == [record.key]
