"""What the clients of the Kafka carrier leave behind when they are stopped at a bad moment: no connection."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from unittest.mock import patch

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection, create_conn

from deploy.kafka.broker import Broker
from shared.bus.kafka import KafkaCarrier
from shared.bus.kafka_brokers import Brokers
from shared.bus.kafka_clients import let_go
from shared.bus.kafka_group import Membership
from shared.bus.kafka_reader import Service
from shared.bus.kafka_topics import ensure_topics
from tests.shared.bus.kafka_world import Seen

CANARY = "Nguyễn Thị Hằng"
OURS, OF_TOPICS = "begins", "aiokafka"
"""How clients call themselves to a broker: those of the carrier, and the one that makes topics."""


async def publish(broker: Broker, topic: str, end: asyncio.Event) -> None:
    kafka = KafkaCarrier(broker.bootstrap, OURS, client_id=OURS, topics=[topic])
    await kafka.start()
    await end.wait()
    await kafka.stop()


async def consume(broker: Broker, topic: str, end: asyncio.Event) -> None:
    await Membership(Service(Brokers(broker.bootstrap), OURS, OURS, 1, Seen())).run([topic], end)


async def make_topics(broker: Broker, topic: str, end: asyncio.Event) -> None:
    making = asyncio.create_task(ensure_topics(broker.bootstrap, [topic]))
    await end.wait()
    making.cancel()
    await asyncio.wait({making})


@pytest.mark.parametrize(("begin", "client"), [(publish, OURS), (consume, OURS), (make_topics, OF_TOPICS)])
def test_a_client_told_to_end_when_it_has_just_connected_leaves_no_connection(
    broker: Broker, topic: str, begin: Callable[[Broker, str, asyncio.Event], Awaitable[None]], client: str
) -> None:
    made: list[AIOKafkaConnection] = []

    async def story() -> None:
        end = asyncio.Event()

        async def connect(*place: Any, **options: Any) -> AIOKafkaConnection:
            made.append(await create_conn(*place, **options))
            if options["client_id"].startswith(client):
                end.set()
            return made[-1]

        with patch("aiokafka.client.create_conn", connect):
            await begin(broker, topic, end)

    asyncio.run(story())

    assert made
    assert not any(connection.connected() for connection in made)


def test_who_makes_topics_and_is_cancelled_while_the_client_closes_ends(broker: Broker, topic: str) -> None:
    close = AIOKafkaAdminClient.close

    async def story() -> bool:
        making = asyncio.create_task(ensure_topics(broker.bootstrap, [topic]))

        async def cancelled(admin: AIOKafkaAdminClient) -> None:
            making.cancel()
            await close(admin)

        with patch.object(AIOKafkaAdminClient, "close", cancelled):
            await asyncio.wait({making})
        return making.cancelled()

    assert asyncio.run(story())


async def connected_late(producer: AIOKafkaProducer) -> None:
    """Stop, and then connect, as a request does that was on its way."""
    [node] = producer.client.cluster.brokers()
    await producer.stop()
    await producer.client.ready(node.nodeId)


def test_what_is_connected_while_a_client_stops_is_closed_too(broker: Broker) -> None:
    async def story() -> list[AIOKafkaConnection]:
        producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap)
        await producer.start()
        await let_go(connected_late(producer), producer.client)
        return list(producer.client._conns.values())

    assert [connection.connected() for connection in asyncio.run(story())] == [False]


def test_a_client_whose_stopping_outlives_the_loop_leaves_no_connection(broker: Broker) -> None:
    async def story() -> list[AIOKafkaConnection]:
        producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap)
        await producer.start()
        late = asyncio.Event()

        async def closing() -> None:
            await connected_late(producer)
            late.set()
            await asyncio.Event().wait()

        stopping = asyncio.create_task(let_go(closing(), producer.client))
        await late.wait()
        assert not stopping.done()
        return list(producer.client._conns.values())

    assert [connection.connected() for connection in asyncio.run(story())] == [False]


def test_an_error_while_closing_is_told_and_goes_no_further(caplog: pytest.LogCaptureFixture) -> None:
    async def close() -> None:
        raise OSError(CANARY)

    async def story() -> None:
        await let_go(close(), AIOKafkaClient())

    asyncio.run(story())

    assert caplog.messages == ["close_failed"]
    assert CANARY not in caplog.text
