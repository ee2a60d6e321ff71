"""The Kafka carrier on a real broker: publishing, order, and what cannot be published."""

import asyncio
import contextlib

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.partitioner import murmur2

from deploy.kafka.broker import Broker
from shared.bus import CarrierDown, Record
from shared.bus.kafka import BATCH_BYTES, KafkaCarrier, RecordTooLarge
from shared.bus.kafka_topics import TopicsRefused, ensure_topics
from tests.shared.bus.kafka_world import Seen, carrier, consuming, event, free_port, until

KEYS = [f"case-{number}" for number in range(120)]


def test_every_record_arrives_in_order_per_key_from_all_24_partitions(broker: Broker, topic: str) -> None:
    seen = Seen()
    records = [event(topic, key, number) for number in range(10) for key in KEYS]

    async def story() -> set[int]:
        async with carrier(broker.bootstrap, "round", topic) as kafka, consuming(kafka, topic, seen):
            await kafka.publish(records)
            await until(lambda: len(seen.records) >= len(records), "all records are there")
            return await _partitions_in_use(broker, topic)

    used = asyncio.run(story())

    assert used == set(range(24))
    assert seen.per_key() == {key: [event(topic, key, n).value for n in range(10)] for key in KEYS}
    assert seen.records[0].headers == (("ce_id", b"0"), ("ce_type", b"referral.accepted.v1"), ("ce_note", None))
    assert set(seen.tries) == {0}


@pytest.mark.parametrize(
    ("key", "expected"),
    [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-longer-string", -1486304829), (b"abc", 479470107)],
)
def test_keys_are_hashed_as_by_the_java_client(key: bytes, expected: int) -> None:
    """The values are those of UtilsTest in the sources of Apache Kafka."""
    assert murmur2(key) == expected & 0xFFFFFFFF


def test_topics_are_made_with_24_partitions_and_kept_for_30_days(broker: Broker, topic: str) -> None:
    async def story() -> tuple[int, dict[str, str]]:
        await ensure_topics(broker.bootstrap, [topic])
        await ensure_topics(broker.bootstrap, [topic])
        admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
        await admin.start()
        try:
            [described] = await admin.describe_topics([topic])
            [answer] = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
        finally:
            await admin.close()
        return len(described["partitions"]), {entry[0]: entry[1] for entry in answer.resources[0][4]}

    partitions, configs = asyncio.run(story())

    assert partitions == 24
    assert configs["retention.ms"] == "2592000000"
    assert configs["compression.type"] == "uncompressed"


def test_a_topic_that_the_broker_refuses_is_named_with_the_reason(broker: Broker, topic: str) -> None:
    with pytest.raises(TopicsRefused, match=f"{topic}: InvalidReplicationFactorError"):
        asyncio.run(ensure_topics(broker.bootstrap, [topic], replication=3))


def test_what_does_not_fit_into_one_batch_follows_in_order(broker: Broker, topic: str) -> None:
    seen = Seen()
    large = [Record(topic, "case-1", (), bytes([number]) * 200_000) for number in range(9)]

    async def story() -> None:
        async with carrier(broker.bootstrap, "large", topic) as kafka, consuming(kafka, topic, seen):
            await kafka.publish(large)
            await until(lambda: len(seen.records) >= len(large), "all records are there")

    asyncio.run(story())

    assert seen.records == large


@pytest.mark.parametrize("before", [0, 1])
def test_a_record_over_the_batch_size_is_refused_and_nothing_of_its_list_is_sent(
    broker: Broker, topic: str, before: int
) -> None:
    seen = Seen()
    after = event(topic, "case-1", 2)

    async def story() -> None:
        async with carrier(broker.bootstrap, "refuse", topic) as kafka, consuming(kafka, topic, seen):
            with pytest.raises(RecordTooLarge, match=str(BATCH_BYTES)):
                await kafka.publish(
                    [*before * [event(topic, "case-1", 1)], Record(topic, "case-1", (), bytes(BATCH_BYTES))]
                )
            await kafka.publish([after])
            await until(lambda: len(seen.records) > 0, "the later record is there")

    asyncio.run(story())

    assert seen.records == [after]


def test_a_publish_that_is_cancelled_does_not_disturb_the_next(broker: Broker, topic: str) -> None:
    seen = Seen()
    records = [event(topic, key, number) for number in range(20) for key in KEYS]

    async def story() -> None:
        async with carrier(broker.bootstrap, "cancelled", topic) as kafka, consuming(kafka, topic, seen):
            for turns in range(12):
                publishing = asyncio.create_task(kafka.publish(records))
                for _ in range(turns):
                    await asyncio.sleep(0)
                publishing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await publishing
            await kafka.publish(records)
            await until(lambda: len({*seen.values()}) >= len(records), "all records are there")

    asyncio.run(story())

    assert seen.per_key() == {key: [event(topic, key, n).value for n in range(20)] for key in KEYS}


def test_without_a_broker_the_carrier_starts_at_once_is_not_ready_and_says_so() -> None:
    async def story() -> tuple[bool, int | None]:
        kafka = KafkaCarrier(f"127.0.0.1:{free_port()}", "nobody", client_id="nobody", topics=["nobody.events"])
        await kafka.stop()
        await kafka.start()
        with pytest.raises(CarrierDown):
            await kafka.publish([event("nobody.events", "case-1", 1)])
        async with consuming(kafka, "nobody.events", Seen()):
            await asyncio.sleep(2.0)
            answers = kafka.ready(), kafka.lag()
        await kafka.stop()
        return answers

    assert asyncio.run(story()) == (False, None)


def test_a_topic_that_nobody_has_made_yet_holds_no_publisher_for_ever(broker: Broker, topic: str) -> None:
    async def story() -> None:
        async with carrier(broker.bootstrap, "unknown", topic) as kafka:
            with pytest.raises(CarrierDown, match="UnknownTopicOrPartitionError"):
                await kafka.publish([event(f"{topic}.never", "case-1", 1)])
            await until(kafka.ready, "the carrier has connected anew")
            await kafka.publish([event(topic, "case-1", 1)])

    asyncio.run(story())


async def _partitions_in_use(broker: Broker, topic: str) -> set[int]:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=broker.bootstrap)
    await consumer.start()
    try:
        ends = await consumer.end_offsets(consumer.assignment())
    finally:
        await consumer.stop()
    return {place.partition for place, end in ends.items() if end > 0}
