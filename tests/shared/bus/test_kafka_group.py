"""The Kafka carrier's consumers on a real broker: members that come and go, retries, stopping, committing."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from deploy.kafka.broker import Broker
from shared.bus import Record, Retry
from tests.shared.bus.kafka_world import KEYS, Seen, carrier, consuming, distinct, event, merged, publish_slowly, until

CANARY = "Nguyễn Thị Hằng"


def test_members_come_and_go_and_every_record_is_handled_in_order(broker: Broker, topic: str) -> None:
    first, second, third = Seen(), Seen(), Seen()
    everything = {key: [event(topic, key, n).value for n in range(60)] for key in KEYS}

    async def story() -> None:
        async with carrier(broker.bootstrap, "group", topic) as kafka, carrier(broker.bootstrap, "group") as other:
            writing = asyncio.create_task(publish_slowly(kafka, topic, 60, []))
            async with consuming(kafka, topic, first):
                await until(lambda: len(first.records) > 0, "the first member is at work")
                async with consuming(other, topic, second):
                    await until(lambda: len(second.records) > 0, "the second member is at work")
                async with consuming(other, topic, third):
                    await until(lambda: len(third.records) > 0, "the second member is at work again")
                await writing
                await until(lambda: distinct(first, second, third) >= 60 * len(KEYS), "all records are there")

    asyncio.run(story())

    assert merged(first, second, third) == {key: set(values) for key, values in everything.items()}
    for seen in (first, second, third):
        assert all(seen.in_order(key) for key in KEYS)


def test_a_record_that_is_to_come_again_holds_its_partition_only(broker: Broker, topic: str) -> None:
    seen = Seen()
    tries: list[int] = []
    released = threading.Event()

    def accept(record: Record, earlier: int) -> None:
        if record.key == "case-0" and record.value == event(topic, "case-0", 1).value:
            tries.append(earlier)
            if len(tries) < 5:
                raise Retry(0.05, counts=len(tries) != 2)
            if not released.is_set():
                raise Retry(0.2)
        seen(record, earlier)

    async def story() -> int | None:
        async with carrier(broker.bootstrap, "retry", topic) as kafka, consuming(kafka, topic, accept):
            await kafka.publish([event(topic, key, number) for number in range(3) for key in KEYS])
            await until(lambda: len(seen.records) > 2 * len(KEYS) and len(tries) > 6, "the others flow")
            lag = kafka.lag()
            released.set()
            await until(lambda: len(seen.records) >= 3 * len(KEYS), "the held one flows too")
            await until(lambda: kafka.lag() == 0, "nothing lags behind")
            return lag

    lag = asyncio.run(story())

    assert tries[:6] == [0, 1, 1, 2, 3, 4]
    assert seen.per_key() == {key: [event(topic, key, n).value for n in range(3)] for key in KEYS}
    assert Counter(seen.values()).most_common(1)[0][1] == 1
    assert lag is not None
    assert lag >= 2


def test_what_is_handled_together_is_done_and_the_rest_of_its_partition_follows_alone(
    broker: Broker, topic: str
) -> None:
    records = [event(topic, "case-0", number) for number in range(6)]
    first, alone = list[Record](), Seen()

    def together(records: Sequence[Record], go_on: Callable[[], bool]) -> int:
        if first or not go_on():
            return 0
        first.extend(records[:2])
        return len(first)

    async def story() -> None:
        async with carrier(broker.bootstrap, "together", topic) as kafka:
            await kafka.publish(records)
            stop = asyncio.Event()
            task = asyncio.create_task(kafka.consume([topic], alone, stop, together))
            await until(lambda: len(first) + len(alone.records) >= len(records), "all records came")
            await until(lambda: kafka.lag() == 0, "nothing lags behind")
            stop.set()
            await task

    asyncio.run(story())

    assert first + alone.records == records


def test_any_other_error_is_tried_again_without_counting_or_telling_what_it_says(
    broker: Broker, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    seen = Seen()
    errors = [StopIteration(CANARY), ValueError(CANARY)]

    def accept(record: Record, earlier: int) -> None:
        if errors:
            raise errors.pop()
        seen(record, earlier)

    async def story() -> None:
        async with carrier(broker.bootstrap, "error", topic) as kafka, consuming(kafka, topic, accept):
            await kafka.publish([event(topic, "case-1", 1)])
            await until(lambda: len(seen.records) == 1, "the record is accepted")

    asyncio.run(story())

    logged = [record for record in caplog.records if record.name == "baoho.bus"]
    assert seen.tries == [0]
    assert [record.getMessage() for record in logged] == ["accept_failed", "accept_failed"]
    assert [record.__dict__["error"] for record in logged] == ["ValueError", "StopIteration"]
    assert CANARY not in caplog.text


def test_a_member_cancelled_in_mid_event_is_followed_by_another(broker: Broker, topic: str) -> None:
    seen = Seen()
    in_hand, released = threading.Event(), threading.Event()

    def hang(record: Record, earlier: int) -> None:  # noqa: ARG001 - an accept is given both
        if in_hand.is_set():
            raise Retry(60)
        in_hand.set()
        released.wait(60)

    async def story() -> None:
        async with carrier(broker.bootstrap, "cancel", topic) as kafka:
            await kafka.publish([event(topic, key, number) for number in range(3) for key in KEYS])
            working = asyncio.create_task(kafka.consume([topic], hang, asyncio.Event()))
            await until(in_hand.is_set, "an event is in hand")
            working.cancel()
            await asyncio.wait({working})
            async with consuming(kafka, topic, seen):
                await until(lambda: len(seen.records) >= 3 * len(KEYS), "another took over")
            released.set()

    asyncio.run(story())

    assert seen.per_key() == {key: [event(topic, key, n).value for n in range(3)] for key in KEYS}


def test_told_to_stop_it_finishes_and_commits_the_event_in_hand_only(broker: Broker, topic: str) -> None:
    before, after = Seen(), Seen()
    stopping = threading.Event()

    def accept(record: Record, earlier: int) -> None:
        stopping.wait(60)
        before(record, earlier)

    async def story() -> None:
        async with carrier(broker.bootstrap, "finish", topic) as kafka:
            await kafka.publish([event(topic, "case-1", number) for number in range(5)])
            async with consuming(kafka, topic, accept) as stop:
                await until(kafka.ready, "the group is joined")
                await asyncio.sleep(0.5)
                stop.set()
                await asyncio.sleep(0.1)
                stopping.set()
            async with consuming(kafka, topic, after):
                await until(lambda: len(after.records) > 0, "the next member is at work")
                await until(lambda: kafka.lag() == 0, "nothing lags behind")

    asyncio.run(story())

    assert len(before.records) == 1
    assert before.values() + after.values() == [event(topic, "case-1", n).value for n in range(5)]


def test_what_was_done_more_than_a_second_ago_is_committed(broker: Broker, topic: str) -> None:
    before, after = Seen(), Seen()
    never = threading.Event()

    def accept(record: Record, earlier: int) -> None:
        before(record, earlier)
        never.wait(0.6 if len(before.records) <= 3 else 60)

    async def story() -> None:
        async with carrier(broker.bootstrap, "committed", topic) as kafka:
            await kafka.publish([event(topic, "case-1", number) for number in range(6)])
            working = asyncio.create_task(kafka.consume([topic], accept, asyncio.Event()))
            await until(lambda: len(before.records) > 3, "some are done")
            working.cancel()
            await asyncio.wait({working})
            never.set()
            async with consuming(kafka, topic, after):
                await until(lambda: len(after.records) >= 3, "the rest follows")
                await until(lambda: kafka.lag() == 0, "nothing lags behind")

    asyncio.run(story())

    rest = after.values()
    assert event(topic, "case-1", 0).value not in rest
    assert rest == [event(topic, "case-1", n).value for n in range(6)][-len(rest) :]
