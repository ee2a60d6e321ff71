"""Who sees what at the registry: everything is denied unless it is granted, and the pseudonym is granted to nobody."""

import re
from typing import Any

import pytest
from sqlmodel import select

from services.registry import access
from services.registry.models import Contract, ContractLink, WorkerPseudonym
from shared.auth import Principal
from shared.permissions import Role
from tests.registry.arranged import NOBODY, Registry

OUTSIDERS = sorted(set(Role) - {Role.SERVICE, Role.REGISTRY_CLERK, Role.LABOUR_OFFICER, Role.AGENCY_OFFICER})
REQUESTS: list[tuple[str, str, Any]] = [
    ("GET", "/agencies", None),
    ("GET", f"/agencies/{NOBODY}", None),
    ("POST", "/agencies", {}),
    ("PATCH", f"/agencies/{NOBODY}", {}),
    ("GET", "/workers", None),
    ("GET", f"/workers/{NOBODY}", None),
    ("POST", "/workers", {}),
    ("POST", "/workers/search", {}),
    ("GET", "/contracts", None),
    ("GET", f"/contracts/{NOBODY}", None),
    ("POST", "/contracts", {}),
    ("GET", "/watch-list", None),
    ("GET", f"/contract-links/{NOBODY}", None),
]


def ask(registry: Registry, method: str, path: str, body: Any, headers: dict[str, str]) -> int:
    more = {"Idempotency-Key": "one", "If-Match": "*"}
    answer = registry.house.client("registry").request(
        method, f"/registry/v1{path}", json=body, headers={**headers, **more}
    )
    status: int = answer.status_code
    return status


@pytest.mark.parametrize("role", OUTSIDERS)
def test_outsiders_see_and_do_nothing(registry: Registry, role: str) -> None:
    statuses = {ask(registry, *request, registry.token(role)) for request in REQUESTS}

    assert statuses == {403}


def test_nobody_without_a_token_sees_anything(registry: Registry) -> None:
    assert {ask(registry, *request, {}) for request in REQUESTS} == {401}


def test_an_agency_officer_knows_no_worker_no_watch_list_and_no_link(registry: Registry) -> None:
    headers = registry.token("agency_officer")
    refused = [
        f"{method} {path}" for method, path, body in REQUESTS if ask(registry, method, path, body, headers) == 403
    ]

    assert refused == [
        "POST /agencies",
        f"PATCH /agencies/{NOBODY}",
        "GET /workers",
        f"GET /workers/{NOBODY}",
        "POST /workers",
        "POST /workers/search",
        "GET /watch-list",
        f"GET /contract-links/{NOBODY}",
    ]


def test_a_service_reads_links_and_nothing_else(registry: Registry) -> None:
    headers = registry.token("service", client="intake", target="registry")

    statuses = {path: ask(registry, method, path, body, headers) for method, path, body in REQUESTS}

    assert statuses.pop(f"/contract-links/{NOBODY}") == 404
    assert set(statuses.values()) == {403}


@pytest.mark.parametrize(
    "principal",
    [
        Principal("x", frozenset()),
        Principal("x", frozenset({Role.LABOUR_OFFICER})),
        Principal("x", frozenset({Role.AGENCY_OFFICER})),
        Principal("x", frozenset({Role.AGENCY_OFFICER}), agency="not a uuid"),
        Principal("x", frozenset({Role.PARTNER_WORKER}), agency=NOBODY, province="01", org=NOBODY),
        Principal("x", frozenset({Role.SERVICE}), client="referral"),
    ],
)
def test_whoever_is_not_granted_rows_sees_none(registry: Registry, principal: Principal) -> None:
    registry.contract(registry.worker(), registry.agency())
    registry.ask_for_link(registry.pseudonym())
    selects: list[Any] = [access.visible_workers, access.visible_contracts, access.visible_links]
    if not principal.has(Role.LABOUR_OFFICER):
        selects += [access.visible_agencies, access.visible_watch_entries, access.workers_to_contract]

    with registry.house.session("registry") as session:
        seen = [session.exec(visible(principal)).all() for visible in selects]

    assert seen == [[]] * len(selects)


def test_the_stored_pseudonym_stands_in_no_answer(registry: Registry) -> None:
    agency = registry.agency()
    worker = registry.worker()
    contract = registry.contract(worker, agency)
    case_id = registry.ask_for_link(registry.pseudonym())
    answers = [
        registry.get("/workers"),
        registry.get(f"/workers/{worker['id']}"),
        registry.post("/workers/search", {"name": "hang"}),
        registry.post("/workers", {"person": worker["person"], "province": "01"}),
        registry.get("/contracts"),
        registry.get(f"/contracts/{contract['id']}"),
        registry.get(f"/agencies/{agency['id']}"),
        registry.get("/watch-list"),
        registry.fetch(case_id),
    ]

    with registry.house.session("registry") as session:
        known = session.exec(select(WorkerPseudonym)).one().pseudonym
        (stored,) = {known, session.exec(select(ContractLink)).one().pseudonym}
        assert session.exec(select(Contract)).one().version == 1

    assert stored == registry.pseudonym()
    assert not [answer for answer in answers if stored in answer.text or re.search(r"k1\.[0-9a-f]", answer.text)]
    assert "pseudonym" not in registry.house.client("registry").get("/registry/openapi.json").text
