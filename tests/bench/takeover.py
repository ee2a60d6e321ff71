"""How long a second relay waits before it leads, once the session of the first is gone."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from psycopg import Connection

from shared.bus.embedded import EmbeddedBus, EmbeddedCarrier
from shared.db import conninfo
from shared.outbox import LEADER_LOCK, Relay
from tests.bench.findings import Finding, Size, spread
from tests.bench.parts import Parts

LIMIT = 2.0
"""Seconds."""
LOOK = 0.005
END = "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND granted"


def of_the_relay(parts: Parts, database: str, size: Size) -> Finding:
    """End the leading relay's session and time the other's lead; no events: what is timed is who may carry them."""
    address = conninfo(parts.database.url("intake", database=database))
    with parts.connect(database) as connection:
        seconds = [asyncio.run(_taken_over(address, connection)) for _ in range(size.rounds)]
    what = "takeover by the second relay, the leader's session gone"
    return Finding(what, spread(seconds, " s"), target=f"≤ {LIMIT:.0f} s", met=max(seconds) <= LIMIT)


async def _taken_over(address: str, connection: Connection) -> float:
    first, second = (Relay(address, EmbeddedCarrier(EmbeddedBus({}, {}), "intake")) for _ in range(2))
    over = asyncio.Event()
    async with _running(first, over):
        await _leads(first)
        async with _running(second, asyncio.Event()):
            await asyncio.sleep(random.uniform(0.5, 1.5))  # noqa: S311 - at any moment between two of its tries
            over.set()
            began = time.perf_counter()
            await asyncio.to_thread(connection.execute, END, (LEADER_LOCK & 0xFFFFFFFF,))
            await _leads(second)
            return time.perf_counter() - began


@asynccontextmanager
async def _running(relay: Relay, stop: asyncio.Event) -> AsyncIterator[None]:
    task = asyncio.create_task(relay.run(stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def _leads(relay: Relay) -> None:
    while not relay.leading:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(LOOK)
