"""What the tests of webhooks share."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """Asynchronous tests run on asyncio, as the workers do."""
    return "asyncio"
