"""The relay killed, doubled, cut off and left without a broker: nothing is lost and every key stays in order."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import psycopg
import pytest

from deploy.kafka.broker import Broker
from deploy.postgres import Server
from shared.bus import Carrier, Record
from shared.bus.kafka import KafkaCarrier
from shared.contracts import KNOWN
from shared.events import Handlers
from shared.inbox import Inbox
from shared.outbox import LEADER_LOCK, Relay
from shared.tables import inbox, mailbox, outbox
from shared.worker import Worker
from tests.harness import House
from tests.hotline.test_routes import CASE
from tests.shared.bus.kafka_world import Seen, carrier, consuming, until
from tests.shared.faults.plan import Plan, ended
from tests.shared.faults.relay_sights import address_of, end_leader, ids, leaders, mailed, numbers, sessions_asking
from tests.shared.faults.world import (
    SOAK,
    TIMEOUT,
    Faults,
    Watched,
    World,
    count_once,
    counted_by,
    embedded,
    faults,
    note_effect,
)

KILLS = 30 if SOAK else 5
OUTAGE = [5.0] * 24 if SOAK else [0.0] * 2
"""Pauses between the rounds of writing while the broker is dead: two minutes in all, or hardly any."""
COUNTERS = 12
pytestmark = pytest.mark.timeout(TIMEOUT)


def handlers_of(world: World) -> Handlers:
    return {counted_by(world.service): note_effect}


@contextlib.asynccontextmanager
async def relaying(world: World, carrier: Carrier) -> AsyncIterator[Relay]:
    stop = asyncio.Event()
    relay = Relay(address_of(world), carrier)
    task = asyncio.create_task(relay.run(stop))
    try:
        yield relay
    finally:
        stop.set()
        await task


@contextlib.asynccontextmanager
async def writing(world: World, counters: list[UUID]) -> AsyncIterator[None]:
    """Write on, one event after another, whatever becomes of the relay."""
    stop = asyncio.Event()

    async def write() -> None:
        while not stop.is_set():
            for counter in counters:
                await asyncio.to_thread(count_once, world.producer, counter)
                await asyncio.sleep(0.02)

    task = asyncio.create_task(write())
    try:
        yield
    finally:
        stop.set()
        await task


async def kill_relays(world: World, bootstrap: str | None) -> list[int]:
    """Let relays be killed between acknowledgement and deletion, one after another, while events go on being written."""
    deaths = []
    async with writing(world, world.counters(COUNTERS)):
        for kill in range(KILLS):
            child = Plan.of(world, bootstrap=bootstrap, die_at=1 + kill % 2).start("relay_process")
            deaths.append(await ended(child))
    return deaths


def test_relays_killed_between_acknowledgement_and_deletion_on_the_embedded_carrier(world: World) -> None:
    handle = Inbox(world.consumer, handlers_of(world), world.known).accept
    seen = Seen()

    def accept(record: Any, tries: int) -> None:
        seen(record, tries)
        handle(record, tries)

    async def story() -> list[int]:
        bus = embedded(world.consumer, world.topic)
        async with consuming_embedded(bus, world, accept):
            deaths = await kill_relays(world, None)
            async with relaying(world, bus):
                await until(lambda: world.rows(world.producer, outbox) == 0, "every event is carried")
            await until(lambda: world.rows(world.consumer, mailbox) == 0, "every event is handled")
        return deaths

    deaths = asyncio.run(story())

    assert deaths == [-signal.SIGKILL] * KILLS
    assert faults(numbers(seen), world.versions()) == Faults(0, 0, doubled=len(seen.records) - events_of(world))
    assert faults(world.effects(), world.versions()) == Faults(0, 0, 0)
    assert world.rows(world.consumer, inbox) == events_of(world)


def test_relays_killed_between_acknowledgement_and_deletion_on_kafka(world: World, broker: Broker) -> None:
    seen = Seen()
    handle = Inbox(world.consumer, handlers_of(world), world.known).accept

    async def story() -> list[int]:
        deaths = await kill_relays(world, broker.bootstrap)
        async with carrier(broker.bootstrap, "last", world.topic) as last, relaying(world, last):
            await until(lambda: world.rows(world.producer, outbox) == 0, "every event is carried")
        async with carrier(broker.bootstrap, "audit") as audit, consuming(audit, world.topic, seen):
            await until(lambda: len(set(seen.values())) >= events_of(world), "every event is there")
            await until(lambda: audit.lag() == 0, "all repetitions are there too")
        for record in seen.records:
            await asyncio.to_thread(handle, record, 0)
        return deaths

    deaths = asyncio.run(story())

    found = faults(numbers(seen), world.versions())
    assert deaths == [-signal.SIGKILL] * KILLS
    assert (found.lost, found.reordered) == (0, 0)
    assert found.doubled >= KILLS
    assert faults(world.effects(), world.versions()) == Faults(0, 0, 0)


def test_the_second_relay_waits_until_the_first_is_killed(world: World) -> None:
    counters = world.counters(COUNTERS)

    async def story() -> tuple[int, int]:
        first = Plan.of(world).start("relay_process")
        await until(lambda: leaders(world) == 1, "the first leads")
        second = Watched(embedded(world.consumer, world.topic))
        async with relaying(world, second) as waiting:
            await count_and_carry(world, counters)
            before = second.published
            assert not waiting.leading
            first.kill()
            await ended(first)
            await until(lambda: waiting.leading, "the second leads")
            await count_and_carry(world, counters)
        return before, second.published

    before, after = asyncio.run(story())

    assert before == 0
    assert after > 0
    assert faults(mailed(world), world.versions()) == Faults(0, 0, 0)


def test_a_leader_whose_session_is_ended_publishes_nothing_before_it_leads_again(world: World, server: Server) -> None:
    [counter] = world.counters(1)
    gate = Gated(embedded(world.consumer, world.topic))

    async def story() -> tuple[int, int]:
        async with relaying(world, gate) as relay, await psycopg.AsyncConnection.connect(address_of(world)) as rival:
            count_once(world.producer, counter)
            await until(gate.waiting.is_set, "the leader is publishing")
            taking = asyncio.create_task(rival.execute("SELECT pg_advisory_lock(%s)", (LEADER_LOCK,)))
            end_leader(world, server)
            await taking
            gate.open.set()
            count_once(world.producer, counter)
            await until(lambda: sessions_asking(world, server) > 0, "the former leader asks to lead again")
            published, rows = gate.published, world.rows(world.producer, outbox)
            assert not relay.leading
            await rival.execute("SELECT pg_advisory_unlock(%s)", (LEADER_LOCK,))
            await until(lambda: world.rows(world.producer, outbox) == 0, "every event is carried")
        return published, rows

    published, rows = asyncio.run(story())

    assert published == 1
    assert rows == 2
    assert gate.published > 1
    assert faults(mailed(world), world.versions()) == Faults(0, 0, 0)


def test_told_to_stop_a_relay_does_not_wait_for_a_carrier_that_hangs(world: World) -> None:
    [counter] = world.counters(1)
    hangs = Gated(embedded(world.consumer, world.topic))

    async def story() -> None:
        async with asyncio.timeout(60):
            async with relaying(world, hangs):
                count_once(world.producer, counter)
                await until(hangs.waiting.is_set, "the relay is publishing")

    asyncio.run(story())

    assert world.rows(world.producer, outbox) == 1


def test_while_the_broker_is_dead_the_api_answers_as_before_and_the_backlog_drains_in_order(
    house: House, token: Any, broker: Broker
) -> None:
    seen = Seen()
    statuses: list[int] = []
    cases: list[str] = []

    def hear(record: Record, tries: int) -> None:
        """Listen to what is told of these cases: the topic is the broker's, and others wrote to it before."""
        if record.key in cases:
            seen(record, tries)

    def act(rounds: int) -> None:
        client = house.client("hotline")
        for _ in range(rounds):
            body = {**CASE, "reference": f"R-{len(statuses)}"}
            answer = client.post("/hotline/v1/cases", json=body, headers=token("mission_officer"))
            statuses.append(answer.status_code)
            cases.append(answer.json()["id"])
            for case in cases:
                path = f"/hotline/v1/cases/{case}/triage"
                answer = client.post(path, json={"priority": "p0"}, headers=token("hotline_operator"))
                statuses.append(answer.status_code)

    async def story() -> None:
        runtime, stop = house.runtime("hotline"), asyncio.Event()
        way = KafkaCarrier(broker.bootstrap, "hotline", client_id="hotline", topics=["hotline.events"])
        working = asyncio.create_task(Worker(runtime, way, {}, KNOWN).run(stop))
        await asyncio.to_thread(act, 3)
        await until(lambda: not house.published("hotline"), "events flow")
        writing = asyncio.create_task(asyncio.to_thread(act, 3))
        await asyncio.to_thread(broker.kill)
        await writing
        await until(lambda: not way.ready(), "the loss is noticed")
        for pause in OUTAGE:
            await asyncio.to_thread(act, 1)
            await asyncio.sleep(pause)
        assert house.published("hotline")
        await asyncio.to_thread(broker.start)
        await asyncio.to_thread(act, 1)
        await until(lambda: not house.published("hotline"), "the backlog drains")
        async with carrier(broker.bootstrap, "broker-killed") as audit, consuming(audit, "hotline.events", hear):
            await until(lambda: len(set(ids(seen))) >= len(statuses), "every event is there")
        stop.set()
        await working

    asyncio.run(story())

    versions = {key: number for number, key in sorted((number, key) for key, number in numbers(seen))}
    found = faults([pair for pair in numbers(seen) if pair[1] > 1], versions)
    assert set(statuses) == {201, 200}
    assert (found.lost, found.reordered) == (0, 0)
    assert sum(versions.values()) == len(statuses)


class Gated(Watched):
    """A carrier whose acknowledgement of the first batch waits for a test."""

    def __init__(self, carrier: Carrier) -> None:
        super().__init__(carrier)
        self.waiting, self.open = asyncio.Event(), asyncio.Event()

    async def after_ack(self) -> None:
        self.waiting.set()
        await self.open.wait()


@contextlib.asynccontextmanager
async def consuming_embedded(bus: Carrier, world: World, accept: Any) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(bus.consume([world.topic], accept, stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def count_and_carry(world: World, counters: list[UUID]) -> None:
    for counter in counters:
        await asyncio.to_thread(count_once, world.producer, counter)
    await until(lambda: world.rows(world.producer, outbox) == 0, "every event is carried")


def events_of(world: World) -> int:
    return sum(version - 1 for version in world.versions().values())
