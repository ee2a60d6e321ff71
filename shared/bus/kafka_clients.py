"""How a Kafka client begins and ends without leaving a connection behind, which aiokafka alone does not see to."""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.conn import CloseReason

log = logging.getLogger("baoho.bus")

LET_GO_SECONDS = 3.0
"""How long a client that is not wanted any more may take to begin, and to end."""

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
                async with asyncio.timeout(LET_GO_SECONDS):
                    await asyncio.gather(beginning, return_exceptions=True)
            raise

    client.bootstrap = whole


async def stopped(closing: Coroutine[Any, Any, None], client: AIOKafkaClient) -> None:
    """Let a consumer or producer stop, and close what a request of its last moments connected: it overlooks that.

    Where the loop ends before the client has stopped, its connections are closed all the same.
    """
    try:
        await closing
    finally:
        for connection in list(client._conns.values()):  # noqa: SLF001 - aiokafka shows them nowhere else
            connection.close(reason=CloseReason.SHUTDOWN)


async def let_go(closing: Coroutine[Any, Any, None]) -> None:
    """Wait for a client to close, but not longer than `LET_GO_SECONDS`.

    A broker that hangs keeps aiokafka waiting until its requests time out. The closing is not cancelled then, because
    a half-closed client goes on for ever; it ends by itself in the background.
    """
    task = asyncio.create_task(closing)
    _closing.add(task)
    task.add_done_callback(_closing.discard)
    await asyncio.wait({task}, timeout=LET_GO_SECONDS)
    if task.done() and (error := task.exception()) is not None:
        log.warning("close_failed", extra={"error": type(error).__name__})
