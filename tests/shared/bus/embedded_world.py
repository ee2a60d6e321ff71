"""What the tests of the embedded carrier do again and again."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from sqlalchemy import select

from shared.bus import Accept, Record
from shared.bus.embedded import EmbeddedCarrier
from shared.tables import mailbox
from tests.shared.faults.world import World


@contextlib.asynccontextmanager
async def draining(carrier: EmbeddedCarrier, topic: str, accept: Accept) -> AsyncIterator[asyncio.Event]:
    stop = asyncio.Event()
    task = asyncio.create_task(carrier.consume([topic], accept, stop))
    try:
        yield stop
    finally:
        stop.set()
        await task


def keys_of(records: list[Record]) -> list[str | None]:
    return [record.key for record in records]


def waiting(world: World) -> list[tuple[str, int]]:
    """Return the keys in the mailbox with their counted tries, in order."""
    with world.consumer.engine.connect() as connection:
        rows = connection.execute(select(mailbox.c.key, mailbox.c.attempts).order_by(mailbox.c.id))
        return [(row.key, row.attempts) for row in rows]
