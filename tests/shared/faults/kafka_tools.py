"""What only a test does to a broker: writing what no relay of ours writes, and declaring a dead member dead at once."""

from collections.abc import Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.protocol.group import LeaveGroupRequest

from shared.bus import Record
from shared.bus.kafka_topics import PARTITIONS

MOST = 3_000_000
"""Bytes of a record that a careless operator let a topic take."""


async def open_wide(bootstrap: str, topic: str) -> None:
    """Make a topic that takes records far larger than any of ours."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, PARTITIONS, 1, topic_configs={"max.message.bytes": str(MOST)})])
    finally:
        await admin.close()


async def write_raw(bootstrap: str, records: Sequence[Record]) -> None:
    """Write records as they are, nulls and broken headers included, one after another in partition 0."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, max_request_size=MOST)
    await producer.start()
    try:
        for record in records:
            key = None if record.key is None else record.key.encode()
            await producer.send_and_wait(record.topic, record.value, key, partition=0, headers=list(record.headers))
    finally:
        await producer.stop()


async def bury(bootstrap: str, group: str) -> None:
    """Have the broker forget the members of a group, as it does by itself 30 s after a member was killed."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        coordinator = await admin.find_coordinator(group)
        [described] = await admin.describe_consumer_groups([group], coordinator)
        [(_, _, _, _, _, members, *_)] = described.groups
        for member, *_ in members:
            await admin._send_request(LeaveGroupRequest(group, member), coordinator)
    finally:
        await admin.close()
