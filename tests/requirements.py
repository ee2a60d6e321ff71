"""What tests need from the machine: a missing tool skips them in one line, and fails them where all must run."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

from deploy.kafka.broker import STATE, BrokerError, install, installed


def require(tool: str, hint: str) -> str:
    """Return the path of `tool`; without it skip the test with `hint`, or fail it when REQUIRE_ALL=1 is set."""
    found = shutil.which(tool)
    if found is None:
        missing(f"{tool} is not installed: {hint}")
    return str(found)


def missing(reason: str) -> NoReturn:
    """Skip the test with one line that says what to install; fail it when REQUIRE_ALL=1 is set."""
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def kafka_jars() -> Path:
    """Return the folder of Kafka's jars, which are fetched at first use."""
    require("java", "apt install openjdk-17-jre-headless")
    if not installed(STATE):
        require("mvn", "apt install maven")
    try:
        install(STATE)
    except BrokerError as error:
        missing(str(error))
    return STATE
