"""People, as officers find them and supervisors erase them."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from services.intake.models import CaseFile, Person
from shared.contracts.intake import CaseReopened
from shared.ids import new_id
from shared.tables import name_token
from tests.intake.world import CASE, NARRATIVE, PERSONAL, World


def search(world: World, headers: Any = None, **asked: str) -> Any:
    return world.post("/people/search", asked, headers)


def found(world: World, **asked: str) -> list[str]:
    return [person["id"] for person in search(world, **asked).json()["items"]]


@pytest.mark.parametrize("name", ["Nguyễn Thị Hằng", "nguyen hang", "hang nguyen", "HẰNG", "thi ngu han"])
def test_a_person_is_found_by_her_syllables_in_any_order_without_diacritics(world: World, name: str) -> None:
    case = world.register()
    world.register(person={"name": "Lê Văn Nam"})

    answer = search(world, name=name)

    assert [(one["id"], one["case_ids"]) for one in answer.json()["items"]] == [(case["person_id"], [case["id"]])]
    assert answer.json()["items"][0]["person"]["name"] == "Nguyễn Thị Hằng"
    assert world.reads("person", case["person_id"]) == ["officer:an"]


def test_a_person_is_found_by_her_exact_number(world: World) -> None:
    person_id = world.register()["person_id"]

    assert found(world, document="cccd", document_number="040.196.012345") == [person_id]
    assert found(world, document="cmnd", document_number="040196012345", name="hang") == [person_id]
    assert found(world, document="passport", document_number="040196012345") == []
    assert found(world, document="cccd", document_number="040196012346") == []
    assert found(world, document="cccd", document_number="040196012345", name="nam") == []


def test_a_search_is_paged_by_asking_the_same_again(world: World) -> None:
    first, second = world.register()["person_id"], world.register()["person_id"]

    page = world.api.post("/intake/v1/people/search?limit=1", json={"name": "hang"}, headers=world.officer).json()
    rest = world.api.post(page["next"], json={"name": "hang"}, headers=world.officer).json()

    assert [page["items"][0]["id"], rest["items"][0]["id"]] == [second, first]


def test_each_person_a_search_shows_is_in_the_trail_and_no_other(world: World) -> None:
    people = [world.register()["person_id"] for _ in range(3)]

    world.api.post("/intake/v1/people/search?limit=2", json={"name": "hang"}, headers=world.officer)

    assert [world.reads("person", person) for person in people] == [[], ["officer:an"], ["officer:an"]]


def test_a_person_comes_with_her_cases_oldest_first(world: World) -> None:
    first = world.register()
    second = world.register(person=None, person_id=first["person_id"])

    [person] = search(world, name="hang").json()["items"]

    assert person["case_ids"] == [first["id"], second["id"]]


def test_a_search_needs_no_idempotency_key(world: World) -> None:
    answer = world.api.request("POST", "/intake/v1/people/search", json={"name": "hang"}, headers=world.officer)

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "asked", [{}, {"name": "!!"}, {"document": "cccd"}, {"document_number": "040196012345"}, {"phone": "0981848484"}]
)
def test_a_search_for_nothing_or_half_a_document_is_refused(world: World, asked: dict[str, str]) -> None:
    assert search(world, **asked).status_code == 422


def test_other_offices_find_nobody_and_the_supervisor_finds_her_province(world: World) -> None:
    person_id = world.register()["person_id"]

    abroad = search(world, world.stranger, name="hang").json()["items"]
    above = search(world, world.supervisor, name="hang").json()["items"]

    assert abroad == []
    assert [person["id"] for person in above] == [person_id]


def test_an_erased_person_is_gone_and_her_case_stays_a_figure(world: World) -> None:
    case = world.register()
    world.closed(case["id"])

    answer = world.post(f"/people/{case['person_id']}/erase", headers=world.supervisor)

    assert answer.status_code == 200, answer.text
    assert (answer.json()["person"], answer.json()["erased"]) == (None, True)
    after = world.get(f"/cases/{case['id']}").json()
    assert (after["person"], after["narrative"], after["erased"], after["status"]) == (None, None, True, "closed")
    assert found(world, name="hang") == []
    assert found(world, document="cccd", document_number="040196012345") == []
    assert world.told(case["id"])[-1] == "person_erased"


def test_erasing_leaves_no_key_no_token_and_no_index(world: World) -> None:
    case = world.register()
    world.closed(case["id"])

    world.post(f"/people/{case['person_id']}/erase", headers=world.supervisor)

    with world.house.session("intake") as session:
        person = session.get_one(Person, UUID(case["person_id"]))
        narrative = session.get_one(CaseFile, UUID(case["id"])).narrative or b""
        tokens = session.connection().execute(select(func.count()).select_from(name_token)).scalar_one()
    assert (person.details, person.number_blind, tokens) == (None, None, 0)
    assert NARRATIVE.encode() not in narrative


def test_nobody_is_erased_while_a_case_goes_on(world: World) -> None:
    first = world.register()
    world.closed(first["id"])
    world.register(person=None, person_id=first["person_id"])

    answer = world.post(f"/people/{first['person_id']}/erase", headers=world.supervisor)

    assert (answer.status_code, answer.json()["reason"]) == (409, "open_cases")
    assert world.get(f"/cases/{first['id']}").json()["person"]["name"] == "Nguyễn Thị Hằng"


def test_erasing_again_changes_nothing(world: World) -> None:
    case = world.register()
    world.closed(case["id"])
    world.post(f"/people/{case['person_id']}/erase", headers=world.supervisor)

    again = world.post(f"/people/{case['person_id']}/erase", headers=world.supervisor)

    assert (again.status_code, again.json()["erased"]) == (200, True)


def test_only_a_supervisor_of_the_province_erases(world: World) -> None:
    person_id = world.register()["person_id"]
    elsewhere = world.token("osso_supervisor", office="osso-can-tho", province="92")

    assert world.post(f"/people/{person_id}/erase").status_code == 403
    assert world.post(f"/people/{person_id}/erase", headers=elsewhere).status_code == 404
    assert world.post(f"/people/{new_id()}/erase", headers=world.supervisor).status_code == 404


def test_nothing_new_begins_for_an_erased_person(world: World) -> None:
    case = world.register()
    world.closed(case["id"])
    world.post(f"/people/{case['person_id']}/erase", headers=world.supervisor)

    reopened = world.post(f"/cases/{case['id']}/reopen", headers=world.supervisor)
    registered = world.post("/cases", {**CASE, "person": None, "person_id": case["person_id"]})

    assert (reopened.status_code, registered.status_code) == (410, 410)
    assert world.status(case["id"]) == "closed"
    assert world.house.published("intake", CaseReopened) == []


def test_refusals_and_answers_after_an_erasure_tell_nothing(world: World) -> None:
    case = world.register()
    world.closed(case["id"])

    world.post(f"/people/{case['person_id']}/erase", headers=world.supervisor)

    shown = world.get(f"/cases/{case['id']}").text + world.get(f"/cases/{case['id']}/timeline").text
    assert not any(word in shown for word in PERSONAL)


def test_an_answer_kept_for_repeats_is_erased_with_the_person(world: World) -> None:
    headers = {**world.officer, "Idempotency-Key": "register-once"}
    first = world.post("/cases", CASE, headers=headers)
    repeated = world.post("/cases", CASE, headers=headers)
    world.closed(first.json()["id"])
    world.post(f"/people/{first.json()['person_id']}/erase", headers=world.supervisor)

    after = world.post("/cases", CASE, headers=headers)

    assert (first.status_code, repeated.status_code) == (201, 201)
    assert repeated.json() == first.json()
    assert (after.status_code, after.json()["type"]) == (410, "urn:baoho:problem:person-erased")
