"""Who may do what on the bus, on a real broker set up as Compose says: each service its own topic, and nothing more."""

import asyncio
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    TopicAuthorizationFailedError,
)
from ruamel.yaml import YAML

from deploy.kafka import access
from deploy.kafka.access import ADMIN, Operation, Resource, Right, RightRefused
from deploy.kafka.broker import STATE, Broker, BrokerError, install
from deploy.topology import KAFKA_ACCESS, KAFKA_ADMIN_SETTING, SERVICES
from shared.bus.kafka import KafkaCarrier
from shared.bus.kafka_brokers import Brokers
from shared.bus.kafka_topics import ensure_topics
from tests.deploy.test_compose import COMPOSE, VARIABLE
from tests.requirements import missing, require
from tests.shared.bus.kafka_world import Seen, consuming, event, free_port, until
from tests.system.commands import ROOT


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    require("java", "apt install openjdk-17-jre-headless")
    try:
        install(STATE)
    except BrokerError as error:
        missing(str(error))
    users = {user: secrets.token_urlsafe(32) for user in (ADMIN, *(service.name for service in SERVICES))}
    with ComposeBroker(STATE, free_port(), data=tmp_path_factory.mktemp("guarded"), passwords=users) as running:
        given = give_rights(running)
        assert given.returncode == 0, given.stderr
        yield running


class ComposeBroker(Broker):
    """The broker of docker-compose.yml without its container: the same properties, other addresses."""

    def configuration(self, data: Path) -> str:
        environment = YAML(typ="safe").load(COMPOSE.read_text(encoding="utf-8"))["services"]["kafka"]["environment"]
        environment.pop("KAFKA_HEAP_OPTS")
        said = {
            name.removeprefix("KAFKA_").replace("_", ".").lower(): str(value) for name, value in environment.items()
        }
        text = "\n".join(f"{name}={self.placed(VARIABLE.sub(self.secret, value))}" for name, value in said.items())
        return f"{text}\nlog.dirs={data}\ngroup.initial.rebalance.delay.ms=0\nbroker.session.timeout.ms=3000\n"

    def placed(self, value: str) -> str:
        """Put what Compose says of ports and hosts onto this machine."""
        value = value.replace("CLIENTS://:9092", f"CLIENTS://127.0.0.1:{self.port}")
        value = value.replace("CLIENTS://kafka:9092", f"CLIENTS://127.0.0.1:{self.port}")
        return value.replace("127.0.0.1:9093", f"127.0.0.1:{self.port + 1}")

    def secret(self, variable: re.Match[str]) -> str:
        """Fill in a password: KAFKA_ADMIN_PASSWORD is that of `admin`, INTAKE_KAFKA_PASSWORD that of `intake`."""
        [user] = set(variable[1].lower().split("_")) - {"kafka", "password"}
        return self.passwords[user]


def give_rights(broker: Broker) -> "subprocess.CompletedProcess[str]":
    """Run the command of Compose's `kafka-access`."""
    environment = {"KAFKA_BOOTSTRAP": broker.bootstrap, KAFKA_ADMIN_SETTING: broker.passwords[ADMIN]}
    command = [sys.executable, *KAFKA_ACCESS]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


async def write(brokers: Brokers, topic: str) -> None:
    producer = AIOKafkaProducer(**brokers.options, acks="all", enable_idempotence=False, request_timeout_ms=5000)
    try:
        await producer.start()
        await producer.send_and_wait(topic, b"forged", partition=0)
    finally:
        await producer.stop()


async def length(brokers: Brokers, topic: str) -> int:
    """Count what ever was written to a topic."""
    consumer = AIOKafkaConsumer(**brokers.options)
    try:
        await consumer.start()
        ends = await consumer.end_offsets([TopicPartition(topic, number) for number in range(24)])
        return sum(ends.values())
    finally:
        await consumer.stop()


def test_a_service_publishes_to_its_own_topic_and_another_reads_it(broker: Broker) -> None:
    seen = Seen()

    async def story() -> None:
        writer = KafkaCarrier(broker.as_user("intake"), "intake", client_id="intake", topics=["intake.events"])
        reader = KafkaCarrier(broker.as_user("referral"), "referral", client_id="referral")
        await writer.start()
        await reader.start()
        await until(writer.ready, "the writer is connected")
        async with consuming(reader, "intake.events", seen):
            await writer.publish([event("intake.events", "case-1", 1)])
            await until(lambda: seen.values() == [b"case-1/000001"], "the event is read")
        await writer.stop()
        await reader.stop()

    asyncio.run(story())

    assert seen.per_key() == {"case-1": [b"case-1/000001"]}


@pytest.mark.parametrize("writer", [service.name for service in SERVICES])
def test_with_a_services_credentials_nothing_is_written_to_anothers_topic(broker: Broker, writer: str) -> None:
    for service in SERVICES:
        if service.name != writer:
            topic = f"{service.name}.events"
            before = asyncio.run(length(broker.admin, topic))

            with pytest.raises(TopicAuthorizationFailedError):
                asyncio.run(write(broker.as_user(writer), topic))

            assert asyncio.run(length(broker.admin, topic)) == before


def test_a_topic_that_a_service_does_not_handle_is_closed_to_it(broker: Broker) -> None:
    async def subscribe() -> None:
        consumer = AIOKafkaConsumer("payroll.events", **broker.as_user("intake").options)
        try:
            await consumer.start()
        finally:
            await consumer.stop()

    asyncio.run(ensure_topics(broker.admin, ["payroll.events"]))

    with pytest.raises(TopicAuthorizationFailedError):
        asyncio.run(subscribe())
    with pytest.raises(TopicAuthorizationFailedError):
        asyncio.run(write(broker.as_user("intake"), "payroll.events"))


def test_a_service_joins_no_group_but_its_own(broker: Broker) -> None:
    async def join(group: str) -> None:
        options = broker.as_user("hotline").options
        consumer = AIOKafkaConsumer("intake.events", **options, group_id=group)
        try:
            await consumer.start()
        finally:
            await consumer.stop()

    asyncio.run(join("hotline"))

    with pytest.raises(GroupAuthorizationFailedError):
        asyncio.run(join("referral"))


def test_a_service_makes_no_topic_and_gives_itself_no_right(broker: Broker) -> None:
    async def make() -> int:
        admin = AIOKafkaAdminClient(**broker.as_user("intake").options)
        await admin.start()
        try:
            answer = await admin.create_topics([NewTopic("intake.secret", 1, 1)])
        finally:
            await admin.close()
        [(_, code, *_)] = answer.topic_errors
        return int(code)

    async def promote() -> None:
        client = AIOKafkaClient(**broker.as_user("intake").options)
        await client.bootstrap()
        try:
            await access._give(client, Right("intake", Operation.WRITE, Resource.TOPIC, "hotline.events"))
        finally:
            await client.close()

    assert asyncio.run(make()) == TopicAuthorizationFailedError.errno
    with pytest.raises(RightRefused, match=ClusterAuthorizationFailedError.__name__):
        asyncio.run(promote())


@pytest.mark.parametrize("password", [None, "x" * 43])
def test_who_has_no_password_does_not_come_in(broker: Broker, password: str | None) -> None:
    stranger = Brokers(broker.bootstrap, "intake" if password else None, password)

    with pytest.raises(KafkaConnectionError):
        asyncio.run(write(stranger, "intake.events"))


def test_rights_given_twice_are_the_same_and_survive_a_kill(broker: Broker) -> None:
    broker.kill()
    broker.start()

    again = give_rights(broker)

    assert again.returncode == 0, again.stderr
    with pytest.raises(TopicAuthorizationFailedError):
        asyncio.run(write(broker.as_user("hotline"), "intake.events"))
    asyncio.run(write(broker.as_user("hotline"), "hotline.events"))


def test_a_password_that_could_break_out_of_its_line_is_refused() -> None:
    with pytest.raises(ValueError, match="not so: intake"):
        access.properties({ADMIN: "a" * 32, "intake": 'x" user_evil="' + "y" * 32})


def test_the_brokers_file_with_the_passwords_is_its_owners_alone(broker: Broker) -> None:
    mode = (broker.folder / "server.properties").stat().st_mode

    assert mode & 0o077 == 0
    assert not [word for word in broker.passwords.values() if word in repr(broker.admin)]
