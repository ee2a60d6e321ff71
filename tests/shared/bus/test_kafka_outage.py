"""The Kafka carrier when a broker dies or hangs, or a membership breaks."""

import asyncio
import signal
import threading
import time

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError

from deploy.kafka.broker import Broker
from shared.bus import CarrierDown, Record
from shared.bus.kafka import KafkaCarrier
from shared.bus.kafka_brokers import Brokers
from shared.bus.kafka_clients import _closing
from shared.bus.kafka_group import Membership
from shared.bus.kafka_reader import Service
from tests.shared.bus.kafka_world import KEYS, Seen, carrier, consuming, distinct, event, publish_slowly, until


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
            writing = asyncio.create_task(publish_slowly(kafka, topic, rounds, downs))
            await until(lambda: len(one.records) > 0 and len(two.records) > 0, "events flow")
            broker.kill()
            await until(lambda: len(downs) > 0 and not kafka.ready() and not other.ready(), "the loss is noticed")
            await asyncio.to_thread(broker.start)
            await writing
            await until(lambda: distinct(one, two) >= rounds * len(KEYS), "all records are there")
            async with consuming(third, topic, stored):
                await until(lambda: distinct(stored) >= rounds * len(KEYS), "all records are stored")

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


def test_a_member_that_leaves_takes_nothing_on(broker: Broker, topic: str) -> None:
    async def story() -> tuple[int | None, bool]:
        stop = asyncio.Event()
        member = Membership(Service(Brokers(broker.bootstrap), "leave", "leave", 1, Seen()))
        await member.on_partitions_assigned({TopicPartition(topic, 0)})
        lag = member.lag()
        stop.set()
        with pytest.raises(IllegalStateError):
            await member.run([topic], stop)
        await member.on_partitions_assigned({TopicPartition(topic, 0)})
        return lag, member.joined

    assert asyncio.run(story()) == (None, False)
