"""A key that is lost, or is another under a known id, is found out before it is needed."""

import asyncio
import time
from typing import Any

import pytest
from sqlalchemy import delete

from shared.health import measure
from shared.metrics import Metrics
from shared.tables import key_seen
from tests.harness import House
from tests.intake.world import World
from tests.keyring import KeyRing
from tests.registry.arranged import Registry


def test_a_house_with_its_keys_misses_none(world: World, registry: Registry, ring: KeyRing) -> None:
    world.register()
    registry.worker()

    assert ring.missing("intake") == ring.missing("registry") == []


@pytest.mark.parametrize("service", ["intake", "registry"])
def test_a_lost_service_key_is_missing_for_what_it_wrapped(
    world: World, registry: Registry, ring: KeyRing, service: str
) -> None:
    world.register()
    registry.worker()
    ring.turn(service, "service", "k2")

    lost = ring.findings(service)["service", "k1"]

    assert lost.missing
    assert lost.place is None
    assert lost.needed_by["data keys of people"] == 1


@pytest.mark.parametrize("noted", [True, False], ids=["noted at start", "never noted"])
@pytest.mark.parametrize("kind", ["service", "search", "link"])
def test_other_bytes_under_a_known_id_are_told_whether_they_were_noted_or_only_used(
    registry: Registry, ring: KeyRing, kind: str, *, noted: bool
) -> None:
    registry.worker()
    ring.round("registry")
    if not noted:
        with registry.house.runtime("registry").engine.begin() as connection:
            connection.execute(delete(key_seen))
    ring.replace_key("registry", kind, "k1")

    assert (kind, "k1") in ring.missing("registry")


def test_nothing_is_written_anew_while_a_key_is_wrong(registry: Registry, ring: KeyRing) -> None:
    registry.worker()
    ring.round("registry")
    ring.turn("registry", "search", "k2", "k1")
    ring.turn("registry", "link", "k2", "k1")
    ring.replace_key("registry", "search", "k1")

    assert ring.round("registry") == 0


def test_a_wrong_key_is_never_noted_as_the_right_one(registry: Registry, ring: KeyRing) -> None:
    registry.worker()
    ring.replace_key("registry", "link", "k1")

    ring.round("registry")

    assert {row["kind"] for row in registry.house.rows("registry", key_seen)} == {"service", "search"}


def test_a_missing_key_is_counted_for_whoever_watches(world: World, ring: KeyRing) -> None:
    world.register()
    runtime, metrics = world.house.runtime("intake"), Metrics()
    ring.turn("intake", "service", "k2")

    ring.round("intake")

    measure(runtime, metrics)
    assert metrics.registry.get_sample_value("baoho_keys_missing") == 1


def test_a_worker_looks_at_its_keys_as_soon_as_it_starts(house: House, ring: KeyRing) -> None:
    house.runtime("hotline")

    async def start_and_stop() -> None:
        stop = asyncio.Event()
        looking = asyncio.create_task(ring.rotation("hotline").run(stop, idle=0.01))
        await asyncio.to_thread(wait_for_rows, house)
        stop.set()
        await looking

    asyncio.run(asyncio.wait_for(start_and_stop(), 30))

    assert {(row["kind"], row["key_id"]) for row in house.rows("hotline", key_seen)} == {
        ("service", "k1"),
        ("search", "k1"),
        ("link", "k1"),
    }


def wait_for_rows(house: House) -> None:
    """Return when something was noted."""
    deadline = time.monotonic() + 20
    while not house.rows("hotline", key_seen):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_is_noted_of_a_key_is_no_part_of_it(world: World, ring: KeyRing) -> None:
    ring.round("intake")
    vault = world.house.runtime("intake").vault

    noted = {bytes(row["check_value"]) for row in world.house.rows("intake", key_seen)}

    keys: list[Any] = [key for kind in ("service", "search", "link") for key in vault.ring(kind).values()]
    assert len(noted) == 3
    assert noted.isdisjoint(keys)
