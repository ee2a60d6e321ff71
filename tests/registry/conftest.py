"""The registry of one test."""

from typing import Any

import pytest

from tests.harness import House
from tests.registry.arranged import Registry


@pytest.fixture
def registry(house: House, token: Any) -> Registry:
    """The registry, empty, with a clerk at hand."""
    return Registry(house, token)
