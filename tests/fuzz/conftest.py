"""One world for all requests to a service: whatever is sent leaves it whole."""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from deploy.postgres import Server
from tests.access.world import World
from tests.fuzz.aiming import Fuzz
from tests.harness import House


@pytest.fixture(scope="module")
def fuzz(server: Server, issuer: tuple[str, Path], request: pytest.FixtureRequest) -> Iterator[Any]:
    """Return what brings a service under fuzz: `fuzz("intake")`."""
    house = House(server, issuer[0], f"fuzz{os.getpid()}_{request.module.__name__.rpartition('_')[2]}")
    world = World(house, issuer[1])
    yield cache(lambda service: Fuzz(world, service))
    house.close()
