"""Cases, as officers register, list, read and correct them."""

from typing import Any
from uuid import UUID

import pytest

from services.intake.models import CaseFile, Person
from shared import codes
from shared.codes.identity_numbers import IdKind
from shared.contracts.intake import CaseOpened, ContractLinkRequested
from shared.crypto import Vault
from shared.ids import is_reference, new_id
from shared.person import pseudonym_of
from tests.intake.world import CASE, NARRATIVE, PERSON, PERSONAL, World


def test_an_officer_registers_a_case_at_her_own_office(world: World) -> None:
    answer = world.post("/cases", CASE)

    case = answer.json()
    assert answer.status_code == 201, answer.text
    assert answer.headers["etag"] == '"1"'
    assert answer.headers["location"] == f"/intake/v1/cases/{case['id']}"
    assert (case["office"], case["status"], case["channel"]) == ("osso-ha-noi", "opened", "walk_in")
    assert case["person"]["name"] == "Nguyễn Thị Hằng"
    assert case["narrative"] == NARRATIVE
    assert case["same_number"] == []
    assert is_reference(case["reference"])


def test_a_new_case_is_told_of_and_its_contract_asked_for_by_pseudonym(world: World) -> None:
    case = world.register()

    [opened] = world.house.published("intake", CaseOpened)
    [asked] = world.house.published("intake", ContractLinkRequested)
    vault = world.house.runtime("intake").vault
    assert (str(opened.case_id), opened.office, opened.province) == (case["id"], "osso-ha-noi", "01")
    assert asked.pseudonym == pseudonym_of(vault, IdKind.CCCD, "040196012345")
    assert case["link_state"] == "requested"
    assert world.told(case["id"]) == ["case_opened", "link_requested"]


def test_an_old_and_a_new_identity_card_have_pseudonyms_of_one_kind_and_passports_of_another() -> None:
    vault = Vault("intake", {"k1": bytes(32)}, {}, {"k1": bytes(32)})

    assert pseudonym_of(vault, IdKind.CMND, "123456789") == vault.pseudonym("id", "123456789")
    assert pseudonym_of(vault, IdKind.PASSPORT, "c 1234567") == vault.pseudonym("passport", "C1234567")


def test_a_case_without_a_document_asks_the_registry_nothing(world: World) -> None:
    case = world.register(person={"name": "Lan"})

    assert world.house.published("intake", ContractLinkRequested) == []
    assert case["link_state"] == "none"


def test_nobody_is_turned_away_for_lack_of_a_name(world: World) -> None:
    case = world.register(person={})

    assert case["person"]["name"] is None


def test_the_same_document_number_is_a_hint_and_no_block(world: World) -> None:
    first = world.register()

    second = world.register(person={**PERSON, "document": "cmnd", "name": "Hằng Nguyễn"})

    assert second["same_number"] == [first["person_id"]]


def test_the_same_number_at_another_office_is_no_hint(world: World) -> None:
    world.register(headers=world.stranger)

    assert world.register()["same_number"] == []


def test_a_second_case_of_a_person_the_office_knows(world: World) -> None:
    first = world.register()

    second = world.register(person=None, person_id=first["person_id"], complaint_types=["overtime"])

    assert second["person_id"] == first["person_id"]
    assert second["person"]["name"] == "Nguyễn Thị Hằng"
    assert len(world.house.published("intake", ContractLinkRequested)) == 2


@pytest.mark.parametrize("person_id", ["foreign", "unknown"])
def test_a_person_the_office_does_not_know_cannot_be_named(world: World, person_id: str) -> None:
    foreign = world.register(headers=world.stranger)["person_id"]
    named = foreign if person_id == "foreign" else str(new_id())

    answer = world.post("/cases", {**CASE, "person": None, "person_id": named})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/person_id"


@pytest.mark.parametrize(
    "changes",
    [
        {"person_id": "01920000-0000-7000-8000-000000000001"},
        {"person": None},
        {"complaint_types": []},
        {"complaint_types": ["no_such_type"]},
        {"received_on": "2999-01-01"},
        {"received_on": "1999-12-31"},
        {"narrative": " "},
        {"channel": "pigeon"},
        {"country": "ZZ"},
        {"office": "osso-can-tho"},
    ],
)
def test_a_registration_that_breaks_the_form_is_refused(world: World, changes: dict[str, Any]) -> None:
    answer = world.post("/cases", {**CASE, **changes})

    assert answer.status_code == 422
    assert not any(word in answer.text for word in PERSONAL)
    assert world.house.published("intake") == []


@pytest.mark.parametrize(
    ("role", "claims"),
    [
        ("osso_officer", {"office": "osso-nowhere"}),
        ("osso_supervisor", {"office": "osso-can-tho"}),
        ("mission_officer", {}),
        ("hotline_operator", {}),
        ("partner_worker", {}),
        ("analyst", {}),
        ("administrator", {}),
    ],
)
def test_who_has_no_office_registers_nothing(world: World, role: str, claims: dict[str, str]) -> None:
    answer = world.post("/cases", CASE, world.token(role, **claims))

    assert answer.status_code == 403
    assert world.house.published("intake") == []


@pytest.mark.parametrize(
    ("role", "claims", "sees"),
    [
        ("osso_officer", {}, True),
        ("osso_supervisor", {}, True),
        ("osso_officer", {"office": "osso-can-tho", "province": "01"}, False),
        ("osso_supervisor", {"office": "osso-can-tho", "province": "92"}, False),
        ("mrc_counsellor", {}, False),
        ("mrc_counsellor", {"office": "osso-ha-noi"}, True),
    ],
)
def test_cases_are_seen_in_their_office_and_by_the_supervisors_of_its_province(
    world: World, role: str, claims: dict[str, str], sees: bool
) -> None:
    case_id = world.register()["id"]
    reader = world.token(role, **claims)

    answer = world.get(f"/cases/{case_id}", reader)
    listed = world.get("/cases", reader).json()["items"]

    assert answer.status_code == (200 if sees else 404)
    assert len(listed) == int(sees)


@pytest.mark.parametrize("role", ["mission_officer", "partner_manager", "agency_officer", "analyst", "auditor"])
def test_others_may_not_even_ask_for_cases(world: World, role: str) -> None:
    assert world.get("/cases", world.token(role)).status_code == 403


def test_a_service_sees_nothing_here(world: World) -> None:
    assert world.get("/cases", world.token("service", client="hotline", target="intake")).status_code == 403


def test_reading_a_case_shows_the_person_and_is_recorded(world: World) -> None:
    case_id = world.register()["id"]

    answer = world.get(f"/cases/{case_id}", world.colleague)

    case = answer.json()
    assert answer.headers["etag"] == '"1"'
    assert case["person"]["phone"] == "+84981848484"
    assert (case["erased"], case["contract"]) == (False, None)
    assert world.reads("case_file", case_id) == ["officer:an", "officer:binh"]


def test_the_clocks_of_a_case_say_when_and_by_which_article(world: World) -> None:
    case_id = world.register(received_on="2026-11-02")["id"]

    clocks = world.get(f"/cases/{case_id}").json()["clocks"]

    acceptance = clocks[0]
    assert [clock["code"] for clock in clocks] == [
        "acceptance",
        "first_decision",
        "second_complaint",
        "second_decision",
    ]
    assert (acceptance["due_on"], acceptance["length"], acceptance["unit"]) == ("2026-11-11", 7, "working_days")
    assert acceptance["citation"]["vi"].startswith("Nghị định")
    assert clocks[1]["due_on"] is None


@pytest.mark.parametrize(
    "changes", [{"respondent": "employer"}, {"respondent": "unknown"}, {"received_on": "2000-01-01"}]
)
def test_there_are_no_clocks_where_the_law_has_none(world: World, changes: dict[str, str]) -> None:
    assert world.register(**changes)["clocks"] == []


def test_the_same_key_registers_one_case(world: World) -> None:
    first = world.post("/cases", CASE, **{"Idempotency-Key": "desk-1"})

    again = world.post("/cases", CASE, **{"Idempotency-Key": "desk-1"})

    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert len(world.house.published("intake", CaseOpened)) == 1


def test_an_answer_is_not_given_again_to_who_lost_the_case(world: World) -> None:
    world.post("/cases", CASE, **{"Idempotency-Key": "desk-1"})
    moved = world.token("osso_officer", sub="officer:an", office="osso-can-tho", province="92")

    again = world.post("/cases", CASE, moved, **{"Idempotency-Key": "desk-1"})

    assert again.status_code == 404
    assert not any(word in again.text for word in PERSONAL)


def test_nothing_personal_lies_in_clear(world: World) -> None:
    case_id = world.register()["id"]

    with world.house.session("intake") as session:
        case = session.get_one(CaseFile, UUID(case_id))
        person = session.get_one(Person, case.person_id)
    sealed = b"".join(value for value in (person.details, person.number_blind, case.narrative) if value)
    clear = f"{world.house.published('intake')} {world.get(f'/cases/{case_id}/timeline').text}"
    assert not any(word.encode() in sealed or word in clear for word in PERSONAL)


def test_every_office_of_the_list_has_a_province_that_exists() -> None:
    assert all(office.province in codes.provinces for office in codes.offices.all())
