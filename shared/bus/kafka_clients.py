"""How a Kafka client begins and ends without leaving a connection behind, which aiokafka alone does not see to."""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.conn import CloseReason

log = logging.getLogger("baoho.bus")

BEGIN_SECONDS = 0.5
"""How long a client that is not wanted any more may take to begin: a broker that answers does so within milliseconds."""
LET_GO_SECONDS = 3.0
"""How long it may take to end."""

_closing: set[asyncio.Task[None]] = set()


def begins_whole(client: AIOKafkaClient) -> None:
    """Let a client that is cancelled while it begins make its first connection, and close it, before it is gone.

    Cancelled between the two, aiokafka forgets the connection: it stays open until somebody collects the garbage.
    """
    bootstrap = client.bootstrap

    async def whole() -> None:
        beginning = asyncio.create_task(bootstrap())
        try:
            await asyncio.shield(beginning)
        except asyncio.CancelledError:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BEGIN_SECONDS):
                    await asyncio.gather(beginning, return_exceptions=True)
            raise

    client.bootstrap = whole


async def let_go(closing: Coroutine[Any, Any, None], client: AIOKafkaClient) -> None:
    """Wait for a producer, consumer or admin to close, but not longer than `LET_GO_SECONDS`.

    A broker that hangs keeps aiokafka waiting until its requests time out. The closing is not cancelled then, because
    a half-closed client goes on for ever; it ends by itself in the background. It has a task of its own, because a client
    that closes swallows the cancellation of whoever waits for it.
    """
    task = asyncio.create_task(_closed(closing, client))
    _closing.add(task)
    task.add_done_callback(_closing.discard)
    await asyncio.wait({task}, timeout=LET_GO_SECONDS)
    if task.done() and (error := task.exception()) is not None:
        log.warning("close_failed", extra={"error": type(error).__name__})


async def _closed(closing: Coroutine[Any, Any, None], client: AIOKafkaClient) -> None:
    """Close what a request of the last moments connected, too: aiokafka overlooks that; and so where the loop ends before."""
    try:
        await closing
    finally:
        for connection in list(client._conns.values()):  # noqa: SLF001 - aiokafka shows them nowhere else
            connection.close(reason=CloseReason.SHUTDOWN)
