"""Records in Kafka that no relay of ours has written: nulls, names that are no text, codecs that we lack."""

import asyncio
import struct

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import NoError, NotLeaderForPartitionError
from aiokafka.protocol.produce import ProduceRequest

from deploy.kafka.broker import Broker
from shared.bus import Record, Retry
from shared.bus.kafka_raw import LENGTH_AT, RECORDS_AT
from shared.bus.kafka_topics import ensure_topics
from tests.shared.bus.kafka_world import KEYS, Seen, carrier, consuming, event, until
from tests.shared.bus.test_kafka_raw import ATTRIBUTES_AT, Batch, batch, checked


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
            await until(lambda: caplog.messages.count("unreadable_batch") > 1, "it is told, and tried again")
            return kafka.lag()

    lag = asyncio.run(story())

    assert lag is not None
    assert lag >= 1


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
    code = NotLeaderForPartitionError.errno
    try:
        await client.bootstrap()
        # A new topic has no leader yet for a moment.
        while code == NotLeaderForPartitionError.errno:
            request = ProduceRequest(None, -1, 10_000, [(topic, [(0, data)])])
            response = await client.send(client.get_random_node(), request)
            [(_, [(_, code, *_)])] = response.topics
    finally:
        await client.close()
    assert code == NoError.errno


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
