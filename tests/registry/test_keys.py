"""Link keys are rotated while cases ask for contracts: in whatever order services take the keys up, no link is lost."""

import os
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import select

from services.registry.keys import erase_again
from services.registry.models import Worker, WorkerPseudonym
from shared.clock import now
from shared.codes.identity_numbers import IdKind
from shared.person import pseudonyms_of
from tests.harness import House
from tests.intake.world import World
from tests.keyring import KeyRing
from tests.registry.arranged import PERSON, Registry

SOAK = os.environ.get("SOAK") == "1"
ADD, PROMOTE, REMOVE = ("k1", "k2"), ("k2", "k1"), ("k2",)


@pytest.fixture
def ring(house: House) -> KeyRing:
    return KeyRing(house)


def pseudonym(ring: KeyRing, registry: Registry, key_id: str) -> str:
    """Return what intake, which holds both keys, calls the worker of these tests."""
    ring.turn("intake", "link", "k1", "k2")
    vault = registry.house.runtime("intake").vault
    return pseudonyms_of(vault, IdKind.CCCD, str(PERSON["document_number"]))[key_id]


@pytest.mark.parametrize("key_id", ["k1", "k2"])
@pytest.mark.parametrize("ids", [ADD, PROMOTE])
def test_a_request_under_either_key_finds_a_worker_of_before_once_it_is_named_anew(
    registry: Registry, ring: KeyRing, ids: tuple[str, ...], key_id: str
) -> None:
    contract = registry.contract(registry.worker(), registry.agency())
    asked = pseudonym(ring, registry, key_id)
    ring.turn("registry", "link", *ids)
    ring.round("registry")

    case_id = registry.ask_for_link(asked)

    assert registry.fetch(case_id).json()["contract_id"] == contract["id"]


@pytest.mark.parametrize("key_id", ["k1", "k2"])
def test_a_request_under_either_key_finds_a_worker_registered_during_the_rotation(
    registry: Registry, ring: KeyRing, key_id: str
) -> None:
    asked = pseudonym(ring, registry, key_id)
    ring.turn("registry", "link", *PROMOTE)
    contract = registry.contract(registry.worker(), registry.agency())

    case_id = registry.ask_for_link(asked)

    assert registry.fetch(case_id).json()["contract_id"] == contract["id"]


def test_a_request_under_a_key_the_registry_does_not_hold_yet_is_linked_once_it_does(
    registry: Registry, ring: KeyRing
) -> None:
    contract = registry.contract(registry.worker(), registry.agency())
    case_id = registry.ask_for_link(pseudonym(ring, registry, "k2"))
    before = registry.fetch(case_id).status_code

    ring.turn("registry", "link", *ADD)
    ring.round("registry")

    assert before == 404
    assert registry.fetch(case_id).json()["contract_id"] == contract["id"]


def test_a_contract_registered_before_its_worker_is_named_anew_links_what_waits_under_the_new_key(
    registry: Registry, ring: KeyRing
) -> None:
    worker, agency = registry.worker(), registry.agency()
    case_id = registry.ask_for_link(pseudonym(ring, registry, "k2"))
    ring.turn("registry", "link", *PROMOTE)
    contract = registry.contract(worker, agency)
    before = registry.fetch(case_id).status_code

    ring.round("registry")

    assert before == 404
    assert registry.fetch(case_id).json()["contract_id"] == contract["id"]


def test_a_worker_cannot_be_registered_twice_by_a_clerk_whose_process_holds_other_keys(
    registry: Registry, ring: KeyRing
) -> None:
    registry.worker()
    ring.turn("registry", "link", *PROMOTE)

    again = registry.post("/workers", {"person": PERSON, "province": "01"})

    assert again.status_code == 409


def test_a_key_that_left_the_ring_takes_its_pseudonyms_with_it(registry: Registry, ring: KeyRing) -> None:
    contract = registry.contract(registry.worker(), registry.agency())
    asked = {key_id: pseudonym(ring, registry, key_id) for key_id in ("k1", "k2")}
    ring.turn("registry", "link", *PROMOTE)
    before = ring.findings("registry")["link", "k1"].needed_by
    ring.round("registry")
    after = ring.findings("registry")["link", "k1"]
    ring.turn("registry", "link", *REMOVE)

    ring.round("registry")

    assert before == {"workers known by this pseudonym alone": 1}
    assert after.spare
    assert registry.fetch(registry.ask_for_link(asked["k1"])).status_code == 404
    assert registry.fetch(registry.ask_for_link(asked["k2"])).json()["contract_id"] == contract["id"]


def test_a_case_that_waits_for_a_contract_asks_anew_under_the_new_key(
    house: House, token: Any, registry: Registry, ring: KeyRing
) -> None:
    world = World(house, token)
    ring.turn("registry", "link", "k1")
    ring.turn("intake", "link", "k1")
    case = world.register(person=PERSON)
    house.carry("intake", "registry")
    for service in ("intake", "registry"):
        ring.turn(service, "link", *PROMOTE)
    needed = ring.findings("intake")["link", "k1"].needed_by

    ring.round("intake")
    house.carry("intake", "registry")
    spare = ring.findings("intake")["link", "k1"].spare
    for service in ("intake", "registry"):
        ring.turn(service, "link", *REMOVE)
    contract = registry.contract(registry.worker(), registry.agency())
    house.carry("intake", "registry")

    assert needed == {"cases that wait for a contract under this pseudonym": 1}
    assert spare
    shown = world.get(f"/cases/{case['id']}").json()
    assert (shown["link_state"], shown["contract"] or contract["id"]) == ("linked", contract["id"])


ORDERS = list(permutations([("intake", PROMOTE), ("registry", ADD), ("registry", PROMOTE)]))


@pytest.mark.parametrize(
    "order", ORDERS if SOAK else ORDERS[:1], ids=lambda order: " ".join(f"{name}:{ids[0]}" for name, ids in order)
)
def test_in_whatever_order_the_services_take_the_keys_up_every_case_is_linked(
    house: House, token: Any, registry: Registry, ring: KeyRing, order: list[tuple[str, tuple[str, ...]]]
) -> None:
    world = World(house, token)
    cases, workers = [world.register(person=numbered(0))["id"]], [registry.worker(**numbered(0))]
    for step, (service, ids) in enumerate(order, start=1):
        ring.turn(service, "link", *ids)
        cases.append(world.register(person=numbered(step))["id"])
        workers.append(registry.worker(**numbered(step)))
        house.carry("intake", "registry")
        ring.round("registry")
    agency = registry.agency()
    for worker in workers:
        registry.contract(worker, agency)
    for service in ("intake", "registry", "intake"):
        ring.round(service)
        house.carry("intake", "registry")

    states = [world.get(f"/cases/{case}").json()["link_state"] for case in cases]

    assert states == ["linked"] * 4


def numbered(number: int) -> dict[str, Any]:
    return {**PERSON, "document_number": f"00130100432{number}"}


def test_an_erasure_of_the_ledger_leaves_nothing_that_opens_finds_or_names_a_worker(
    registry: Registry, ring: KeyRing
) -> None:
    worker = registry.worker()

    with registry.house.session("registry") as session:
        erase_again(session, UUID(worker["id"]), now())
        session.commit()

    ring.turn("registry", "link", *PROMOTE)
    ring.turn("registry", "search", *PROMOTE)
    ring.round("registry")
    with registry.house.session("registry") as session:
        stored = session.exec(select(Worker)).one()
        assert session.exec(select(WorkerPseudonym)).all() == []
    assert (stored.details, stored.number_blind) == (None, None)
    assert registry.get(f"/workers/{worker['id']}").json()["person"] is None
    assert registry.post("/workers/search", {"name": "hang"}).json()["items"] == []
