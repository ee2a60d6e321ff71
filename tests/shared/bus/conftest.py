"""A topic of its own for each test of the carriers."""

import pytest

from shared.ids import new_id


@pytest.fixture
def topic() -> str:
    """Name a topic that no other test uses."""
    return f"{new_id()}.events"
