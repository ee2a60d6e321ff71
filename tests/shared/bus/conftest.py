"""A real Kafka broker for the tests of its carrier."""

from collections.abc import Iterator

import pytest

from deploy.kafka.broker import STATE, Broker, BrokerError, install, installed
from shared.ids import new_id
from tests.requirements import missing, require
from tests.shared.bus.kafka_world import free_port


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    require("java", "apt install openjdk-17-jre-headless")
    if not installed(STATE):
        require("mvn", "apt install maven")
    try:
        install(STATE)
    except BrokerError as error:
        missing(str(error))
    with Broker(STATE, free_port(), data=tmp_path_factory.mktemp("kafka")) as running:
        yield running


@pytest.fixture
def topic() -> str:
    """Name a topic that no other test uses."""
    return f"{new_id()}.events"
