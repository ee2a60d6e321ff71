"""The steps of a case: an operator triages it and hands it over, intake fetches it."""

from uuid import UUID

import pytest
from sqlmodel import select

from services.hotline.models import HotlineCase
from shared.contracts.hotline import HandOverDetails, HotlineCaseHandedOver, HotlineCaseTriaged
from shared.tables import audit
from tests.hotline.posted import CASE, NOBODY, OFFICE, Hotline


def test_a_case_begins_as_urgent_as_the_rules_suggest(hotline: Hotline) -> None:
    answer = hotline.post(complaint_types=["confinement"])

    assert (answer.json()["priority"], answer.json()["suggested_priority"]) == ("p0", "p0")


def test_an_operator_triages_a_case_and_that_is_told_and_recorded(hotline: Hotline) -> None:
    case_id = hotline.posted()

    answer = hotline.triage(case_id, "p1")

    assert answer.status_code == 200, answer.text
    assert (answer.json()["status"], answer.json()["priority"]) == ("triaged", "p1")
    assert hotline.house.published("hotline", HotlineCaseTriaged) == [
        HotlineCaseTriaged(hotline_case_id=UUID(case_id), priority="p1")
    ]
    outcomes = [row["outcome"] for row in hotline.house.rows("hotline", audit)]
    assert outcomes == ["created", "changed", "read"]


def test_lowering_needs_a_reason_which_is_sealed(hotline: Hotline) -> None:
    case_id = hotline.posted()

    silent = hotline.triage(case_id, "p3")
    explained = hotline.triage(case_id, "p3", "Đã được trả lương.")

    assert (silent.status_code, explained.status_code) == (422, 200)
    assert silent.json()["errors"][0]["pointer"] == "/reason"
    with hotline.house.session("hotline") as session:
        case = session.exec(select(HotlineCase)).one()
        assert case.triage_reason is not None
        assert "lương".encode() not in case.triage_reason


def test_what_a_person_raised_is_lowered_again_only_with_a_reason(hotline: Hotline) -> None:
    case_id = hotline.posted()
    hotline.triage(case_id, "p0")

    assert hotline.triage(case_id, "p2").status_code == 422
    assert hotline.triage(case_id, "p2", "Đã an toàn.").status_code == 200


def test_a_change_of_a_version_that_is_gone_is_refused(hotline: Hotline) -> None:
    case_id = hotline.posted()
    headers = {**hotline.token("hotline_operator"), "If-Match": '"7"'}

    answer = hotline.client.post(f"/hotline/v1/cases/{case_id}/triage", json={"priority": "p1"}, headers=headers)

    assert answer.status_code == 412
    assert hotline.read(case_id)["status"] == "posted"


def test_a_triaged_case_is_handed_over_to_an_office(hotline: Hotline) -> None:
    case_id = hotline.posted()
    hotline.triage(case_id)

    answer = hotline.hand_over(case_id)

    assert answer.status_code == 200, answer.text
    assert (answer.json()["status"], answer.json()["office"]) == ("handed_over", OFFICE)
    assert hotline.house.published("hotline", HotlineCaseHandedOver) == [
        HotlineCaseHandedOver(
            hotline_case_id=UUID(case_id),
            office=OFFICE,
            province="01",
            country="TW",
            category="labour_dispute",
            priority="p2",
        )
    ]


def test_steps_out_of_order_are_refused_with_those_that_are_allowed(hotline: Hotline) -> None:
    case_id = hotline.posted()

    too_early = hotline.hand_over(case_id)
    hotline.triage(case_id)
    hotline.hand_over(case_id)
    twice, too_late = hotline.hand_over(case_id), hotline.triage(case_id)

    assert (too_early.status_code, too_early.json()["allowed"]) == (409, ["triaged"])
    assert (twice.status_code, twice.json()["allowed"]) == (409, [])
    assert too_late.status_code == 409


def test_a_case_goes_to_an_office_that_exists(hotline: Hotline) -> None:
    case_id = hotline.posted()
    hotline.triage(case_id)

    assert hotline.hand_over(case_id, "osso-nowhere").status_code == 422


def test_a_mission_never_learns_the_office(hotline: Hotline) -> None:
    case_id = hotline.handed_over()

    assert hotline.read(case_id, "mission_officer")["office"] is None
    assert OFFICE not in hotline.get(f"/cases/{case_id}", "mission_officer").text
    assert hotline.read(case_id)["office"] == OFFICE


def test_intake_fetches_what_was_handed_over_and_that_is_recorded(hotline: Hotline) -> None:
    case_id = hotline.handed_over()

    answer = hotline.fetch(case_id)

    assert answer.status_code == 200, answer.text
    details = HandOverDetails.model_validate_json(answer.content)
    assert (details.name, details.phone, details.language) == ("Nguyễn Thị Hằng", "+886912345678", "vi")
    assert details.complaint_types == CASE["complaint_types"]
    assert details.narrative == CASE["narrative"]
    assert hotline.house.rows("hotline", audit)[-1]["actor"] == "service:intake"


def test_intake_fetches_nothing_before_the_hand_over(hotline: Hotline) -> None:
    case_id = hotline.posted()
    hotline.triage(case_id)

    assert hotline.fetch(case_id).status_code == 404
    assert hotline.fetch(NOBODY).status_code == 404


@pytest.mark.parametrize("client", ["referral", "registry", "hotline"])
def test_no_other_service_fetches_a_hand_over(hotline: Hotline, client: str) -> None:
    assert hotline.fetch(hotline.handed_over(), client).status_code == 404
