"""What the tests of intake stand on: an office at work."""

from typing import Any

import pytest

from tests.harness import House
from tests.intake.world import World


@pytest.fixture
def world(house: House, token: Any) -> World:
    """Intake with officers, a supervisor and partners who call it."""
    return World(house, token)
