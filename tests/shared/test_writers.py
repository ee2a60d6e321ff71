"""Many writers at once: one relay in order of ids loses and reorders nothing, and three that skip locked rows do."""

import asyncio
import contextlib
import random
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from sqlalchemy import select, text

from deploy.kafka.broker import Broker
from shared.bus import Carrier, Record
from shared.db import conninfo
from shared.outbox import Relay
from shared.tables import mailbox, outbox
from tests.shared.bus.kafka_world import Seen, carrier, consuming, until
from tests.shared.faults.relay_sights import numbers
from tests.shared.faults.world import ACT, SOAK, Faults, World, count, embedded, faults

WRITERS = 24
COUNTERS = 12
TRANSACTIONS = 200 if SOAK else 20
ROUNDS = 8
SKIPPING_RELAYS = 3
SKIPPING_BATCH = 10

Design = Callable[[World, Carrier], AbstractAsyncContextManager[None]]
"""Relays of one design at work."""


def test_one_relay_in_order_of_ids_loses_and_reorders_nothing(world: World) -> None:
    found = written_and_relayed(world, one_leader)

    assert found == Faults(lost=0, reordered=0, doubled=0)


def test_one_relay_in_order_of_ids_loses_and_reorders_nothing_on_kafka(world: World, broker: Broker) -> None:
    counters, seen = world.counters(COUNTERS), Seen()

    async def story() -> None:
        async with carrier(broker.bootstrap, "writers", world.topic) as kafka, one_leader(world, kafka):
            await _write_all(world, counters)
            await until(lambda: world.rows(world.producer, outbox) == 0, "every event is carried")
        events = sum(version - 1 for version in world.versions().values())
        async with carrier(broker.bootstrap, "writers-audit") as audit, consuming(audit, world.topic, seen):
            await until(lambda: len(seen.records) >= events, "every event is there")
            await until(lambda: audit.lag() == 0, "and no other")

    asyncio.run(story())

    assert faults(numbers(seen), world.versions()) == Faults(lost=0, reordered=0, doubled=0)


def test_the_same_writers_show_how_relays_that_skip_locked_rows_reorder(world: World) -> None:
    rounds = (written_and_relayed(world, skipping_relays) for _ in range(ROUNDS))

    assert any(found.reordered > 0 for found in rounds)


def written_and_relayed(world: World, design: Design) -> Faults:
    """Let all writers write while relays of a design carry; compare what came, in the order in which it came."""
    counters = world.counters(COUNTERS)

    async def story() -> None:
        async with design(world, embedded(world.consumer, world.topic)):
            await _write_all(world, counters)
            await until(lambda: world.rows(world.producer, outbox) == 0, "every event is carried")

    asyncio.run(story())
    return faults(_arrived(world), world.versions())


async def _write_all(world: World, counters: list[UUID]) -> None:
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(WRITERS + SKIPPING_RELAYS + 1))
    await asyncio.gather(*(asyncio.to_thread(write, world, n, counters) for n in range(WRITERS)))


def write(world: World, number: int, counters: list[UUID]) -> None:
    """Count on at random; some transactions take their id early and commit late, some are rolled back."""
    chance = random.Random(number)  # noqa: S311 - the same choices in every run
    for _ in range(TRANSACTIONS):
        with world.producer.session(ACT) as session:
            if chance.random() < 0.3:
                session.connection().execute(text("SELECT pg_current_xact_id()"))
                threading.Event().wait(chance.uniform(0, 0.02))
            count(session, *chance.sample(counters, chance.choice((1, 1, 2))))
            threading.Event().wait(chance.uniform(0, 0.002))
            if chance.random() < 0.2:
                session.rollback()
            else:
                session.commit()


@contextlib.asynccontextmanager
async def one_leader(world: World, carrier: Carrier) -> AsyncIterator[None]:
    """The relay as it is."""
    stop = asyncio.Event()
    task = asyncio.create_task(
        Relay(conninfo(world.producer.settings.database_url.get_secret_value()), carrier, poll=0.01).run(stop)
    )
    yield
    stop.set()
    await task


@contextlib.asynccontextmanager
async def skipping_relays(world: World, carrier: Carrier) -> AsyncIterator[None]:
    """A design that looks right: several relays share the work, each takes rows that no other has locked."""
    stop = asyncio.Event()
    tasks = [asyncio.create_task(_skip_locked(world, carrier, stop)) for _ in range(SKIPPING_RELAYS)]
    yield
    stop.set()
    await asyncio.gather(*tasks)


async def _skip_locked(world: World, carrier: Carrier, stop: asyncio.Event) -> None:
    taken = "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED)"
    connection = await psycopg.AsyncConnection.connect(
        conninfo(world.producer.settings.database_url.get_secret_value()), row_factory=dict_row
    )
    async with connection:
        while not stop.is_set():
            cursor = await connection.execute(f"{taken} RETURNING *", (SKIPPING_BATCH,))
            rows = sorted(await cursor.fetchall(), key=lambda row: int(row["id"]))
            headers = [tuple((name, value.encode()) for name, value in row["headers"].items()) for row in rows]
            pairs = zip(rows, headers, strict=True)
            await carrier.publish([Record(row["topic"], row["key"], named, row["payload"]) for row, named in pairs])
            await connection.commit()
            await asyncio.sleep(0 if rows else 0.01)


def _arrived(world: World) -> list[tuple[str, int]]:
    with world.consumer.engine.connect() as connection:
        rows = connection.execute(select(mailbox.c.key, mailbox.c.headers).order_by(mailbox.c.id))
        return [(row.key, int(row.headers["ce_sequence"])) for row in rows]
