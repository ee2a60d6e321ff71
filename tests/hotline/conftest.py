"""The hotline of one test."""

from typing import Any

import pytest

from tests.harness import House
from tests.hotline.posted import Hotline


@pytest.fixture
def hotline(house: House, token: Any) -> Hotline:
    """The hotline, without a case."""
    return Hotline(house, token)
