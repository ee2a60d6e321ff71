"""A house whose keys are turned."""

from typing import Any

import pytest

from tests.harness import House
from tests.intake.world import World
from tests.keyring import KeyRing
from tests.registry.arranged import Registry


@pytest.fixture
def ring(house: House) -> KeyRing:
    return KeyRing(house)


@pytest.fixture
def world(house: House, token: Any) -> World:
    """An office at work."""
    return World(house, token)


@pytest.fixture
def registry(house: House, token: Any) -> Registry:
    """The registry, empty, with a clerk at hand."""
    return Registry(house, token)
