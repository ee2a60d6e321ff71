"""The topics of the house on Kafka: made on purpose, with their partitions for good."""

from collections.abc import Sequence

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from shared.bus.kafka_brokers import Brokers, brokers_at
from shared.bus.kafka_clients import begins_whole, let_go

PARTITIONS = 24
"""Per topic, for good: another number would move keys to other partitions and break their order."""
RETENTION_MS = 30 * 24 * 60 * 60 * 1000
REQUEST_MS = 10_000
THERE = {0, TopicAlreadyExistsError.errno}
"""Answers after which a topic exists: another service may have been first, and that is as good."""


class TopicsRefused(Exception):
    """The broker would not create topics that are missing; the message names topics and reasons."""


async def ensure_topics(brokers: str | Brokers, topics: Sequence[str], *, replication: int = 1) -> None:
    """Create those of `topics` that are missing: 24 partitions, kept for 30 days on `replication` brokers.

    The broker is told to store batches uncompressed, so that no foreign writer's codec can be one that we lack. Raises
    `TopicsRefused` where the broker says no, `KafkaError` while it is away.
    """
    admin = AIOKafkaAdminClient(**brokers_at(brokers).options, request_timeout_ms=REQUEST_MS)
    client = admin._client  # noqa: SLF001 - aiokafka shows it nowhere else
    begins_whole(client)
    try:
        await admin.start()
        missing = sorted(set(topics) - set(await admin.list_topics()))
        answer = await admin.create_topics([_new_topic(topic, replication) for topic in missing]) if missing else None
    finally:
        await let_go(admin.close(), client)
    refused = [(topic, code) for topic, code, *_ in answer.topic_errors if code not in THERE] if answer else []
    if refused:
        raise TopicsRefused(", ".join(f"{topic}: {for_code(code).__name__}" for topic, code in refused))


def _new_topic(topic: str, replication: int) -> NewTopic:
    configs = {
        "retention.ms": str(RETENTION_MS),
        "compression.type": "uncompressed",
        "min.insync.replicas": str(max(1, replication - 1)),
    }
    return NewTopic(topic, PARTITIONS, replication, topic_configs=configs)
