"""What the tests of webhooks share."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from shared.webhooks import Sender

NOW = datetime(2026, 11, 6, 8, 49, 37, tzinfo=UTC)


@pytest.fixture
def anyio_backend() -> str:
    """Run asynchronous tests on asyncio, as the workers do."""
    return "asyncio"


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    """Send as in development, where loopback stands for the public internet."""
    async with Sender(production=False, clock=lambda: NOW) as sender:
        yield sender
