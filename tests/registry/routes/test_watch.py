"""The watch list and the links: numbers for those who watch, details for intake, nothing for an agency."""

import json
from typing import Any
from uuid import UUID

import pytest

from services.registry import access
from shared.auth import Principal
from shared.contracts.intake import ViolationAlleged
from shared.contracts.registry import ContractDetails
from shared.ids import new_id
from shared.permissions import Role
from shared.tables import audit
from tests.registry.arranged import BROKERAGE, NOBODY, SERVICE_FEE, Registry

PEOPLE = sorted(set(Role) - {Role.SERVICE})


def allege(registry: Registry, agency: dict[str, Any], allegations: list[str], clauses: list[int]) -> str:
    case_id = new_id()
    event = ViolationAlleged(
        case_id=case_id, agency_id=UUID(agency["id"]), contract_id=new_id(), allegations=allegations, clauses=clauses
    )
    registry.house.handle("registry", event)
    return str(case_id)


@pytest.mark.parametrize("role", ["registry_clerk", "labour_officer"])
def test_the_watch_list_adds_up_cases_and_names_none(registry: Registry, role: str) -> None:
    agency, quiet = registry.agency(), registry.agency()
    cases = [
        allege(registry, agency, ["broker_fee", "over_ceiling"], [8, 9]),
        allege(registry, agency, ["broker_fee"], [8]),
    ]

    answer = registry.get("/watch-list", role)

    assert answer.status_code == 200, answer.text
    (watched,) = answer.json()["items"]
    assert (watched["agency"]["id"], watched["cases"]) == (agency["id"], 2)
    assert watched["allegations"] == [
        {"code": "broker_fee", "cases": 2, "revocation_ground": True},
        {"code": "over_ceiling", "cases": 1, "revocation_ground": False},
    ]
    assert watched["clauses"] == [
        {"clause": 8, "cases": 2, "revocation_ground": True},
        {"clause": 9, "cases": 1, "revocation_ground": False},
    ]
    assert watched["first_at"] <= watched["last_at"]
    assert not [case_id for case_id in (*cases, quiet["id"]) if case_id in answer.text]


def test_the_watch_list_is_paged(registry: Registry) -> None:
    agencies = [registry.agency() for _ in range(3)]
    for agency in agencies:
        allege(registry, agency, ["broker_fee"], [8])

    first = registry.get("/watch-list?limit=2").json()
    second = registry.house.client("registry").get(first["next"], headers=registry.token("registry_clerk")).json()

    listed = [item["agency"]["id"] for item in (*first["items"], *second["items"])]
    assert listed == [agency["id"] for agency in agencies[::-1]]


def test_an_empty_watch_list_is_empty(registry: Registry) -> None:
    registry.agency()

    assert registry.get("/watch-list").json() == {"items": [], "next": None}


def everything_an_agency_sees(registry: Registry, agency: dict[str, Any], contract: dict[str, Any]) -> list[Any]:
    me = {"role": "agency_officer", "agency": agency["id"]}
    paths = ["/agencies", f"/agencies/{agency['id']}", "/contracts", f"/contracts/{contract['id']}", "/workers"]
    answers = [registry.get(path, **me) for path in (*paths, "/watch-list", f"/contract-links/{NOBODY}")]
    return [
        (answer.status_code, answer.headers.get("etag"), {**answer.json(), "next": None})
        if answer.status_code == 200
        else (answer.status_code, None, answer.json())
        for answer in answers
    ]


def test_to_an_agency_every_answer_is_the_same_before_and_after_a_complaint(registry: Registry) -> None:
    agency = registry.agency()
    contract = registry.contract(registry.worker(), agency, costs=[SERVICE_FEE, BROKERAGE])
    before = everything_an_agency_sees(registry, agency, contract)

    registry.ask_for_link(registry.pseudonym())
    allege(registry, agency, ["broker_fee"], [8])

    assert everything_an_agency_sees(registry, agency, contract) == before
    assert [status for status, _, _ in before] == [200, 200, 200, 200, 403, 403, 403]
    assert "watch" not in json.dumps(before).replace("watch:read", "")


def test_an_agency_that_registers_the_contract_of_a_waiting_case_learns_nothing(registry: Registry) -> None:
    agency, worker = registry.agency(), registry.worker()
    case_id = registry.ask_for_link(registry.pseudonym())
    headers = {**registry.token("agency_officer", agency=agency["id"]), "Idempotency-Key": "one"}
    body, client = registry.contract_body(worker, agency), registry.house.client("registry")

    waited = client.post("/registry/v1/contracts", json=body, headers=headers)
    replayed = client.post("/registry/v1/contracts", json=body, headers=headers)
    plain = client.post("/registry/v1/contracts", json=body, headers={**headers, "Idempotency-Key": "two"})

    assert registry.fetch(case_id).json()["contract_id"] == waited.json()["id"]
    assert [answer.headers["etag"] for answer in (waited, replayed, plain)] == ['"1"'] * 3
    assert replayed.json() == waited.json()
    differing = {name for name, value in waited.json().items() if plain.json()[name] != value}
    assert differing == {"id", "created_at"}
    assert set(waited.headers) == set(plain.headers)
    assert str(case_id) not in waited.text


def test_a_second_role_does_not_show_an_agency_the_watch_list(registry: Registry) -> None:
    agency = registry.agency()
    allege(registry, agency, ["broker_fee"], [8])
    officer = Principal("x", frozenset({Role.AGENCY_OFFICER, Role.LABOUR_OFFICER}), province="01", agency=agency["id"])

    with registry.house.session("registry") as session:
        assert session.exec(access.visible_watch_entries(officer)).all() == []
        assert session.exec(access.watched_agencies(officer)).all() == []


def test_intake_fetches_the_contract_of_a_linked_case(registry: Registry) -> None:
    agency = registry.agency()
    contract = registry.contract(registry.worker(), agency, costs=[SERVICE_FEE, BROKERAGE])
    case_id = registry.ask_for_link(registry.pseudonym())

    answer = registry.fetch(case_id)

    assert answer.status_code == 200, answer.text
    details = ContractDetails.model_validate_json(answer.content)
    assert (details.case_id, str(details.contract_id)) == (case_id, contract["id"])
    assert (str(details.agency_id), details.agency_name) == (agency["id"], agency["name"])
    assert answer.json()["monthly_wage"] == {"amount": "27000000", "currency": "VND"}
    assert [cost.kind for cost in details.costs] == ["service_fee", "brokerage"]
    assert [finding.clause for finding in details.findings if finding.clause] == [9, 8]


def test_the_fetching_is_recorded(registry: Registry) -> None:
    contract = registry.contract(registry.worker(), registry.agency())
    case_id = registry.ask_for_link(registry.pseudonym())

    registry.fetch(case_id)

    reads = [row for row in registry.house.rows("registry", audit) if row["outcome"] == "read"]
    assert [(row["actor"], row["row_id"]) for row in reads] == [("service:intake", contract["id"])]


def test_a_case_that_was_not_linked_has_nothing_to_fetch(registry: Registry) -> None:
    waiting = registry.ask_for_link(registry.pseudonym())

    assert registry.fetch(waiting).status_code == 404
    assert registry.fetch(new_id()).status_code == 404


@pytest.mark.parametrize("client", ["hotline", "referral", "registry"])
def test_no_other_service_fetches_a_link(registry: Registry, client: str) -> None:
    registry.contract(registry.worker(), registry.agency())
    case_id = registry.ask_for_link(registry.pseudonym())

    assert registry.fetch(case_id, client).status_code == 404


@pytest.mark.parametrize("role", PEOPLE)
def test_no_person_fetches_a_link(registry: Registry, role: str) -> None:
    assert registry.get(f"/contract-links/{NOBODY}", role).status_code == 403
