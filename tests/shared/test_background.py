"""How a worker comes to its brokers: by name and password, and in production never without."""

import secrets
from typing import Any

import pytest

from shared.background import _brokers, kafka_carrier
from shared.bus.kafka_brokers import Brokers
from tests.shared.faults.world import open_runtime

NOWHERE = "postgresql+psycopg://nobody@127.0.0.1:9/nowhere"
PRODUCTION: dict[str, Any] = {"env": "production", "oidc_issuer": "https://identity.test"}


def test_a_worker_without_brokers_says_what_it_needs() -> None:
    with pytest.raises(SystemExit, match="KAFKA_BOOTSTRAP is not set"):
        kafka_carrier(open_runtime("intake", NOWHERE))


def test_in_production_brokers_that_let_in_anyone_are_refused() -> None:
    runtime = open_runtime("intake", NOWHERE, kafka_bootstrap="kafka:9092", **PRODUCTION)

    with pytest.raises(SystemExit, match="INTAKE_KAFKA_PASSWORD is not set"):
        kafka_carrier(runtime)


def test_a_worker_comes_under_its_own_name_and_shows_its_password_to_nobody() -> None:
    password = secrets.token_urlsafe(32)
    runtime = open_runtime("intake", NOWHERE, kafka_bootstrap="kafka:9092", kafka_password=password, **PRODUCTION)

    brokers = _brokers(runtime, "kafka:9092")

    assert brokers == Brokers("kafka:9092", "intake", password)
    assert password not in repr(brokers)
