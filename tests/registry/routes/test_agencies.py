"""Agencies: registered and amended by clerks, read in scope."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.registry.arranged import AGENCY, NOBODY, Registry

CODE = "0101234567"


def test_a_clerk_registers_an_agency(registry: Registry) -> None:
    answer = registry.post("/agencies", {**AGENCY, "enterprise_code": CODE})

    assert answer.status_code == 201, answer.text
    agency = answer.json()
    assert answer.headers["location"] == f"/registry/v1/agencies/{agency['id']}"
    assert answer.headers["etag"] == '"1"'
    assert (agency["licence_status"], agency["licence_status_on"]) == ("active", "2020-03-01")
    assert agency["licence_history"] == [{"status": "active", "status_on": "2020-03-01"}]
    assert agency["phone"] == "+842438512345"


def test_an_enterprise_code_is_registered_once(registry: Registry) -> None:
    agency = registry.agency(enterprise_code=CODE)

    again = registry.post("/agencies", {**AGENCY, "name": "Another", "enterprise_code": CODE})

    assert again.status_code == 409
    assert (again.json()["reason"], again.json()["agency_id"]) == ("agency_registered", agency["id"])


def test_of_two_at_once_one_registers_the_agency(registry: Registry) -> None:
    registry.get("/agencies")

    with ThreadPoolExecutor(2) as both:
        answers = list(
            both.map(lambda _: registry.post("/agencies", {**AGENCY, "enterprise_code": CODE}).status_code, range(2))
        )

    assert sorted(answers) == [201, 409]


def test_the_same_key_answers_the_same_and_stores_once(registry: Registry) -> None:
    client = registry.house.client("registry")
    headers = {**registry.token("registry_clerk"), "Idempotency-Key": "one"}
    body = {**AGENCY, "enterprise_code": CODE}

    first = client.post("/registry/v1/agencies", json=body, headers=headers)
    again = client.post("/registry/v1/agencies", json=body, headers=headers)
    other = client.post("/registry/v1/agencies", json={**body, "name": "Other"}, headers=headers)

    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 422)
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert len(registry.get("/agencies").json()["items"]) == 1


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"enterprise_code": "123"}, "/enterprise_code"),
        ({"licence_status_on": "2999-01-01"}, "/licence_status_on"),
        ({"licence_status_on": "1989-12-31"}, "/licence_status_on"),
        ({"licence_status": "sleeping"}, "/licence_status"),
        ({"website": "javascript:alert(1)"}, "/website"),
        ({"owner": "someone"}, "/owner"),
    ],
)
def test_an_agency_with_a_fault_is_refused_at_its_place(
    registry: Registry, changes: dict[str, Any], pointer: str
) -> None:
    answer = registry.post("/agencies", {**AGENCY, "enterprise_code": CODE, **changes})

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_a_licence_is_suspended_on_a_day_and_the_days_before_stay_as_they_were(registry: Registry) -> None:
    agency = registry.agency()
    suspended = {"licence_status": "suspended", "licence_status_on": "2024-06-01"}

    answer = registry.patch(f"/agencies/{agency['id']}", suspended, '"1"')

    assert answer.status_code == 200, answer.text
    assert answer.headers["etag"] == '"2"'
    assert answer.json()["licence_status"] == "suspended"
    before = registry.get(f"/agencies/{agency['id']}?on=2024-05-31").json()
    assert before["licence_status_then"] == "active"
    assert registry.get(f"/agencies/{agency['id']}?on=2024-06-01").json()["licence_status_then"] == "suspended"
    assert registry.get(f"/agencies/{agency['id']}?on=2020-02-29").json()["licence_status_then"] is None


def test_an_event_of_the_past_recorded_late_changes_history_alone(registry: Registry) -> None:
    agency = registry.agency(licence_status="revoked", licence_status_on="2025-01-01")

    answer = registry.patch(
        f"/agencies/{agency['id']}", {"licence_status": "active", "licence_status_on": "2021-01-01"}, '"1"'
    )

    assert answer.json()["licence_status"] == "revoked"
    assert [event["status"] for event in answer.json()["licence_history"]] == ["active", "revoked"]
    assert registry.get(f"/agencies/{agency['id']}?on=2022-01-01").json()["licence_status_then"] == "active"


def test_an_address_changes_and_the_licence_does_not(registry: Registry) -> None:
    agency = registry.agency()

    answer = registry.patch(f"/agencies/{agency['id']}", {"address": "1 Tràng Tiền, Hà Nội"}, '"1"')

    assert answer.json()["address"] == "1 Tràng Tiền, Hà Nội"
    assert answer.json()["licence_history"] == agency["licence_history"]


@pytest.mark.parametrize("body", [{}, {"licence_status": "revoked"}, {"licence_status_on": "2024-01-01"}])
def test_a_change_tells_something_whole(registry: Registry, body: dict[str, Any]) -> None:
    agency = registry.agency()

    assert registry.patch(f"/agencies/{agency['id']}", body, '"1"').status_code == 422


def test_a_change_needs_the_version_that_was_read(registry: Registry) -> None:
    agency = registry.agency()
    path = f"/registry/v1/agencies/{agency['id']}"

    stale = registry.patch(f"/agencies/{agency['id']}", {"name": "New"}, '"9"')
    blind = registry.house.client("registry").patch(
        path, json={"name": "New"}, headers=registry.token("registry_clerk")
    )

    assert (stale.status_code, blind.status_code) == (412, 428)
    assert registry.get(f"/agencies/{agency['id']}").json()["name"] == agency["name"]


def test_lists_are_filtered_and_paged_newest_first(registry: Registry) -> None:
    names = [registry.agency(name=f"Agency {n}")["name"] for n in range(3)]
    registry.agency(licence_status="revoked", enterprise_code=CODE)

    first = registry.get("/agencies?licence_status=active&limit=2").json()
    second = registry.house.client("registry").get(first["next"], headers=registry.token("registry_clerk")).json()

    assert [item["name"] for item in (*first["items"], *second["items"])] == names[::-1]
    assert second["next"] is None
    assert len(registry.get("/agencies?licence_status=active,revoked").json()["items"]) == 4
    assert len(registry.get(f"/agencies?enterprise_code={CODE}").json()["items"]) == 1


def test_an_agency_officer_reads_its_own_agency_and_no_other_exists(registry: Registry) -> None:
    own, other = registry.agency(), registry.agency()
    me = {"role": "agency_officer", "agency": own["id"]}

    assert registry.get(f"/agencies/{own['id']}", **me).status_code == 200
    assert registry.get(f"/agencies/{own['id']}", **me).json()["licence_history"] == own["licence_history"]
    assert registry.get(f"/agencies/{other['id']}", **me).status_code == 404
    assert [item["id"] for item in registry.get("/agencies", **me).json()["items"]] == [own["id"]]


def test_a_labour_officer_reads_every_agency_and_changes_none(registry: Registry) -> None:
    agency = registry.agency()

    assert registry.get(f"/agencies/{agency['id']}", "labour_officer").status_code == 200
    assert registry.post("/agencies", AGENCY, "labour_officer").status_code == 403
    assert registry.patch(f"/agencies/{agency['id']}", {"name": "N"}, '"1"', "labour_officer").status_code == 403


def test_an_agency_that_does_not_exist_is_not_found(registry: Registry) -> None:
    assert registry.get(f"/agencies/{NOBODY}").status_code == 404
    assert registry.patch(f"/agencies/{NOBODY}", {"name": "N"}, '"1"').status_code == 404
