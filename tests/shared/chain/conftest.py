"""A sealed trail to be harmed."""

import pytest

from shared.runtime import Runtime
from tests.harness import House
from tests.shared.chain.trail import ROWS, grow, seal_all


@pytest.fixture
def hotline(house: House) -> Runtime:
    """A hotline with a sealed trail, whose head intake has heard of."""
    runtime = house.runtime("hotline")
    house.runtime("intake")
    grow(runtime, ROWS)
    seal_all(runtime)
    house.carry("intake")
    return runtime
