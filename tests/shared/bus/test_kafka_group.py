"""The Kafka carrier's consumers on a real broker: members that come and go, retries, brokers that die, foreign records."""

import asyncio
import signal
import threading
import time
from collections import Counter

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.produce import ProduceRequest

from deploy.kafka.broker import Broker
from shared.bus import CarrierDown, Record, Retry
from shared.bus.kafka import KafkaCarrier
from shared.bus.kafka_topics import ensure_topics
from tests.shared.bus.kafka_world import Seen, carrier, consuming, event, until
from tests.shared.bus.test_kafka_raw import batch

KEYS = [f"case-{number}" for number in range(60)]
CANARY = "Nguyễn Thị Hằng"


def test_members_come_and_go_and_every_record_is_handled_in_order(broker: Broker, topic: str) -> None:
    first, second, third = Seen(), Seen(), Seen()
    everything = {key: [event(topic, key, n).value for n in range(60)] for key in KEYS}

    async def story() -> None:
        async with carrier(broker.bootstrap, "group", topic) as kafka, carrier(broker.bootstrap, "group") as other:
            writing = asyncio.create_task(_publish_slowly(kafka, topic, 60))
            async with consuming(kafka, topic, first):
                await until(lambda: len(first.records) > 0, "the first member is at work")
                async with consuming(other, topic, second):
                    await until(lambda: len(second.records) > 0, "the second member is at work")
                async with consuming(other, topic, third):
                    await until(lambda: len(third.records) > 0, "the second member is at work again")
                await writing
                await until(lambda: _distinct(first, second, third) >= 60 * len(KEYS), "all records are there")

    asyncio.run(story())

    assert _merged(first, second, third) == {key: set(values) for key, values in everything.items()}
    for seen in (first, second, third):
        assert all(values == sorted(values) for values in seen.per_key().values())


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
    in_hand, let_go = threading.Event(), threading.Event()

    def hang(record: Record, earlier: int) -> None:  # noqa: ARG001 - an accept is given both
        in_hand.set()
        let_go.wait(60)

    async def story() -> None:
        async with carrier(broker.bootstrap, "cancel", topic) as kafka:
            await kafka.publish([event(topic, key, number) for number in range(3) for key in KEYS])
            working = asyncio.create_task(kafka.consume([topic], hang, asyncio.Event()))
            await until(in_hand.is_set, "an event is in hand")
            working.cancel()
            await asyncio.wait({working})
            async with consuming(kafka, topic, seen):
                await until(lambda: len(seen.records) >= 3 * len(KEYS), "another took over")
            let_go.set()

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


def test_a_broker_killed_under_writes_loses_nothing_and_both_sides_come_back(broker: Broker, topic: str) -> None:
    one, two = Seen(), Seen()
    rounds = 60

    async def story() -> int:
        async with carrier(broker.bootstrap, "kill", topic) as kafka, carrier(broker.bootstrap, "kill") as other:
            async with consuming(kafka, topic, one), consuming(other, topic, two):
                await until(lambda: kafka.ready() and other.ready(), "both are members")
                writing = asyncio.create_task(_publish_slowly(kafka, topic, rounds))
                await until(lambda: len(one.records) > 0 and len(two.records) > 0, "events flow")
                broker.kill()
                await until(lambda: not kafka.ready(), "the loss is noticed")
                await asyncio.to_thread(broker.start)
                downs = await writing
                await until(lambda: _distinct(one, two) >= rounds * len(KEYS), "all records are there")
                return downs

    downs = asyncio.run(story())

    assert downs > 0
    assert _merged(one, two) == {key: {event(topic, key, n).value for n in range(rounds)} for key in KEYS}
    for seen in (one, two):
        assert all(values == sorted(values) for values in seen.per_key().values())


def test_with_a_broker_that_hangs_everything_still_ends_within_15_seconds(broker: Broker, topic: str) -> None:
    seen = Seen()

    async def story() -> float:
        kafka = KafkaCarrier(broker.bootstrap, "hang", client_id="hang", topics=[topic])
        await kafka.start()
        async with consuming(kafka, topic, seen) as stop:
            await until(kafka.ready, "the group is joined")
            broker.signal(signal.SIGSTOP)
            publishing = asyncio.create_task(kafka.publish([event(topic, "case-1", 1)]))
            await asyncio.sleep(0.5)
            began = time.monotonic()
            stop.set()
            publishing.cancel()
        await kafka.stop()
        return time.monotonic() - began

    try:
        took = asyncio.run(story())
    finally:
        broker.signal(signal.SIGCONT)

    assert took < 15


def test_nulls_and_undecodable_names_and_keys_are_handed_over_and_stop_nothing(broker: Broker, topic: str) -> None:
    seen = Seen()

    async def story() -> None:
        async with carrier(broker.bootstrap, "foreign", topic) as kafka, consuming(kafka, topic, seen):
            await _write_foreign_records(broker, topic)
            await kafka.publish([event(topic, key, 1) for key in KEYS])
            await until(lambda: len(seen.records) >= 7 + len(KEYS), "all records are there")
            await until(lambda: kafka.lag() == 0, "nothing lags behind")

    asyncio.run(story())

    foreign = [record for record in seen.records if record.key not in KEYS]
    assert foreign == [
        Record(topic, None, (("ce_id", b"1"),), b"no key"),
        Record(topic, "no-value", (), None),
        Record(topic, "odd\\xff", (("ce_type", b"\xff\xfe"), ("ce_id", None), ("", b"")), b"odd"),
        Record(topic, "before", (("zz", b"1"),), b"before"),
        Record(topic, "bad", (("ce_\\xff\\xfe", b"1"),), b"bad"),
        Record(topic, None, (("ce_\\xff\\xfe", None),), None),
        Record(topic, "after", (), b"after"),
    ]
    assert len(seen.records) == 7 + len(KEYS)


def test_a_record_after_an_undecodable_one_is_tried_again_like_any_other(broker: Broker, topic: str) -> None:
    seen = Seen()

    def accept(record: Record, earlier: int) -> None:
        if record.key == "bad" and earlier < 2:
            raise Retry(0.05)
        seen(record, earlier)

    async def story() -> None:
        await ensure_topics(broker.bootstrap, [topic])
        await _write_foreign_records(broker, topic)
        async with carrier(broker.bootstrap, "again") as kafka, consuming(kafka, topic, accept):
            await until(lambda: len(seen.records) >= 7, "all records are there")

    asyncio.run(story())

    assert [record.key for record in seen.records] == [None, "no-value", "odd\\xff", "before", "bad", None, "after"]
    assert seen.tries == [0, 0, 0, 0, 2, 0, 0]


async def _publish_slowly(kafka: KafkaCarrier, topic: str, rounds: int) -> int:
    """Publish one record per key and round as the relay does: what was not taken comes again, in order; count that."""
    downs = 0
    for number in range(rounds):
        records = [event(topic, key, number) for key in KEYS]
        while True:
            try:
                await kafka.publish(records)
                break
            except CarrierDown:
                downs += 1
                await asyncio.sleep(0.2)
        await asyncio.sleep(0.1)
    return downs


async def _write_foreign_records(broker: Broker, topic: str) -> None:
    """Write into partition 0 what no relay of ours writes."""
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap)
    await producer.start()
    try:
        nulls = producer.create_batch()
        nulls.append(timestamp=None, key=None, value=b"no key", headers=[("ce_id", b"1")])
        nulls.append(timestamp=None, key=b"no-value", value=None)
        odd = [("ce_type", b"\xff\xfe"), ("ce_id", None), ("", b"")]
        nulls.append(timestamp=None, key=b"odd\xff", value=b"odd", headers=odd)
        await (await producer.send_batch(nulls, topic, partition=0))
    finally:
        await producer.stop()
    bad = batch(
        (b"before", b"before", [("zz", b"1")]), (b"bad", b"bad", [("ce_zz", b"1")]), (None, None, [("ce_zz", None)])
    )
    await _write_raw(broker, topic, bad.spoilt(b"ce_zz", b"ce_\xff\xfe"))
    await _write_raw(broker, topic, batch((b"after", b"after", [])).data)


async def _write_raw(broker: Broker, topic: str, data: bytes) -> None:
    """Write a record batch byte by byte: clients refuse to make one that is not quite right."""
    client = AIOKafkaClient(bootstrap_servers=broker.bootstrap)
    try:
        await client.bootstrap()
        request = ProduceRequest(None, -1, 10_000, [(topic, [(0, data)])])
        response = await client.send(client.get_random_node(), request)
    finally:
        await client.close()
    [(_, [(_, code, *_)])] = response.topics
    assert code == 0


def _distinct(*members: Seen) -> int:
    return len({value for seen in members for value in seen.values()})


def _merged(*members: Seen) -> dict[str | None, set[bytes | None]]:
    merged: dict[str | None, set[bytes | None]] = {}
    for seen in members:
        for key, values in seen.per_key().items():
            merged.setdefault(key, set()).update(values)
    return merged
