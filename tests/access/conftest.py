"""One world for all questions of who may do what: nothing that is refused changes it."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.postgres import Server
from tests.access.world import World
from tests.harness import House

_numbers = itertools.count()


@pytest.fixture(scope="module")
def world(server: Server, issuer: tuple[str, Path]) -> Iterator[World]:
    """Four services on clones of their databases, with the callers of this module."""
    house = House(server, issuer[0], f"access{os.getpid()}_{next(_numbers)}")
    yield World(house, issuer[1])
    house.close()
