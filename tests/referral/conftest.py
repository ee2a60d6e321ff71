"""What the tests of referral share."""

from typing import Any

import pytest

from tests.harness import House
from tests.referral.partners import Partners


@pytest.fixture
def anyio_backend() -> str:
    """Run asynchronous tests on asyncio, as the dispatcher does."""
    return "asyncio"


@pytest.fixture
def partners(house: House, token: Any) -> Partners:
    """The people who use referral, in a house of this test's own."""
    return Partners(house, token)
