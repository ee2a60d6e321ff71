"""The Kafka carrier's consumers on a real broker: members that come and go, retries, brokers that die, foreign records."""

import asyncio
import signal
import struct
import threading
import time
from collections import Counter

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.produce import ProduceRequest

from deploy.kafka.broker import Broker
from shared.bus import CarrierDown, Record, Retry
from shared.bus.kafka import KafkaCarrier
from shared.bus.kafka_group import Membership, Service, _closing, let_go
from shared.bus.kafka_raw import LENGTH_AT, RECORDS_AT
from shared.bus.kafka_topics import ensure_topics
from tests.shared.bus.kafka_world import Seen, carrier, consuming, event, until
from tests.shared.bus.test_kafka_raw import ATTRIBUTES_AT, Batch, batch, checked

KEYS = [f"case-{number}" for number in range(60)]
CANARY = "Nguyễn Thị Hằng"


def test_members_come_and_go_and_every_record_is_handled_in_order(broker: Broker, topic: str) -> None:
    first, second, third = Seen(), Seen(), Seen()
    everything = {key: [event(topic, key, n).value for n in range(60)] for key in KEYS}

    async def story() -> None:
        async with carrier(broker.bootstrap, "group", topic) as kafka, carrier(broker.bootstrap, "group") as other:
            writing = asyncio.create_task(_publish_slowly(kafka, topic, 60, []))
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


def test_a_broker_killed_under_writes_loses_nothing_and_both_sides_come_back(broker: Broker, topic: str) -> None:
    one, two, stored = Seen(), Seen(), Seen()
    rounds = 60

    downs: list[CarrierDown] = []

    async def story() -> None:
        async with (
            carrier(broker.bootstrap, "kill", topic) as kafka,
            carrier(broker.bootstrap, "kill") as other,
            carrier(broker.bootstrap, "audit") as third,
            consuming(kafka, topic, one),
            consuming(other, topic, two),
        ):
            await until(lambda: kafka.ready() and other.ready(), "both are members")
            writing = asyncio.create_task(_publish_slowly(kafka, topic, rounds, downs))
            await until(lambda: len(one.records) > 0 and len(two.records) > 0, "events flow")
            broker.kill()
            await until(lambda: len(downs) > 0 and not kafka.ready() and not other.ready(), "the loss is noticed")
            await asyncio.to_thread(broker.start)
            await writing
            await until(lambda: _distinct(one, two) >= rounds * len(KEYS), "all records are there")
            async with consuming(third, topic, stored):
                await until(lambda: _distinct(stored) >= rounds * len(KEYS), "all records are stored")

    asyncio.run(story())

    assert stored.per_key() == {key: [event(topic, key, n).value for n in range(rounds)] for key in KEYS}
    for seen in (one, two):
        assert all(seen.in_order(key) for key in KEYS)


def test_with_a_broker_that_hangs_everything_still_ends_within_15_seconds(
    broker: Broker, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    in_hand = Seen()
    finished, never = threading.Event(), threading.Event()

    def accept(record: Record, earlier: int) -> None:
        in_hand(record, earlier)
        (finished if record.key == "case-0" else never).wait(60)

    async def story() -> float:
        kafka = KafkaCarrier(broker.bootstrap, "hang", client_id="hang", topics=[topic])
        late = KafkaCarrier(broker.bootstrap, "hang", client_id="late", topics=[topic])
        await kafka.start()
        async with consuming(kafka, topic, accept) as stop:
            await until(kafka.ready, "the group is joined")
            await kafka.publish([event(topic, key, 1) for key in ("case-0", "case-1")])
            await until(lambda: len(in_hand.records) == 2, "two events are in hand")
            broker.signal(signal.SIGSTOP)
            await late.start()
            await until(lambda: not kafka.ready(), "the silence is noticed")
            began = time.monotonic()
            finished.set()
            stop.set()
        await kafka.stop()
        took = time.monotonic() - began
        await late.stop()
        broker.signal(signal.SIGCONT)
        await asyncio.gather(*_closing)
        never.set()
        return took

    try:
        took = asyncio.run(story())
    finally:
        broker.signal(signal.SIGCONT)
        never.set()

    told = {record.getMessage() for record in caplog.records if record.name == "baoho.bus"}
    assert took < 15
    assert {"commit_failed", "event_in_hand_left"} <= told


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


def test_a_membership_that_breaks_is_followed_by_a_new_one(
    broker: Broker, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    seen = Seen()

    async def story() -> None:
        async with carrier(broker.bootstrap, "break", topic) as kafka, consuming(kafka, topic, seen):
            await until(lambda: kafka.lag() == 0, "the group is joined")
            assert kafka._member is not None
            kafka._member._consumer.unsubscribe()
            await until(lambda: not kafka.ready(), "it is broken")
            await kafka.publish([event(topic, key, 1) for key in KEYS])
            await until(lambda: len(seen.records) >= len(KEYS), "all records are there")

    asyncio.run(story())

    assert "consumer_restarts" in caplog.messages
    assert seen.per_key() == {key: [event(topic, key, 1).value] for key in KEYS}


def test_a_codec_that_we_lack_cannot_get_into_a_topic_of_ours(broker: Broker, topic: str) -> None:
    seen = Seen()

    async def story() -> None:
        async with carrier(broker.bootstrap, "codec", topic) as kafka, consuming(kafka, topic, seen):
            await _write_raw(broker, topic, _in_snappy(batch((b"case-1", b"{}", []))))
            await until(lambda: len(seen.records) > 0, "the record is there")

    asyncio.run(story())

    assert seen.records == [Record(topic, "case-1", (), b"{}")]


def test_a_batch_that_nobody_here_can_read_holds_its_partition_only(
    broker: Broker, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    seen = Seen()

    async def story() -> int | None:
        await _make_topic_that_keeps_codecs(broker, topic)
        async with carrier(broker.bootstrap, "unreadable", topic) as kafka, consuming(kafka, topic, seen):
            await _write_raw(broker, topic, _in_snappy(batch((b"case-1", b"{}", []))))
            await kafka.publish([event(topic, key, 1) for key in KEYS])
            await until(lambda: kafka.lag() == 1 + len(KEYS) - len(seen.records) < len(KEYS) / 2, "the others flow")
            await until(lambda: "unreadable_batch" in caplog.messages, "it is told")
            return kafka.lag()

    lag = asyncio.run(story())

    assert lag is not None
    assert lag >= 1


def test_a_member_that_leaves_takes_nothing_on(broker: Broker, topic: str) -> None:
    async def story() -> tuple[int | None, bool]:
        stop = asyncio.Event()
        member = Membership(Service(broker.bootstrap, "leave", "leave", 1, Seen()))
        await member.on_partitions_assigned({TopicPartition(topic, 0)})
        lag = member.lag()
        stop.set()
        await member.run([topic], stop)
        await member.on_partitions_assigned({TopicPartition(topic, 0)})
        return lag, member.joined

    assert asyncio.run(story()) == (None, False)


def test_an_error_while_closing_is_told_and_goes_no_further(caplog: pytest.LogCaptureFixture) -> None:
    async def close() -> None:
        raise OSError(CANARY)

    asyncio.run(let_go(close()))

    assert caplog.messages == ["close_failed"]
    assert CANARY not in caplog.text


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


async def _publish_slowly(kafka: KafkaCarrier, topic: str, rounds: int, downs: list[CarrierDown]) -> None:
    """Publish one record per key and round as the relay does: what was not taken comes again, in order."""
    for number in range(rounds):
        records = [event(topic, key, number) for key in KEYS]
        while True:
            try:
                await kafka.publish(records)
                break
            except CarrierDown as down:
                downs.append(down)
                await asyncio.sleep(0.2)
        await asyncio.sleep(0.1)


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


async def _make_topic_that_keeps_codecs(broker: Broker, topic: str) -> None:
    """Make a topic as somebody else would, without our configuration."""
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    try:
        await admin.start()
        await admin.create_topics([NewTopic(topic, 24, 1)])
    finally:
        await admin.close()


def _in_snappy(plain: Batch) -> bytes:
    """Write a short batch in Snappy: one literal in one block, framed as the Java client does."""
    records = plain.data[RECORDS_AT:]
    block = bytes([len(records), (len(records) - 1) << 2]) + records
    packed = b"\x82SNAPPY\x00" + struct.pack(">iii", 1, 1, len(block)) + block
    head = bytearray(plain.data[:RECORDS_AT])
    struct.pack_into(">i", head, LENGTH_AT, RECORDS_AT - LENGTH_AT - 4 + len(packed))
    head[ATTRIBUTES_AT] |= 2
    return checked(bytes(head) + packed)


def _distinct(*members: Seen) -> int:
    return len({value for seen in members for value in seen.values()})


def _merged(*members: Seen) -> dict[str | None, set[bytes | None]]:
    merged: dict[str | None, set[bytes | None]] = {}
    for seen in members:
        for key, values in seen.per_key().items():
            merged.setdefault(key, set()).update(values)
    return merged
