"""The hotline's API, as missions, operators and intake use it."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import select

from services.hotline.models import HotlineCase
from shared.contracts.hotline import HotlineCasePosted
from shared.people import erase
from shared.tables import audit
from tests.hotline import posted
from tests.hotline.posted import Hotline

CASE = posted.CASE


def test_a_mission_posts_a_case(hotline: Hotline) -> None:
    answer = hotline.post()

    assert answer.status_code == 201, answer.text
    assert answer.json()["status"] == "posted"
    assert answer.headers["etag"] == '"1"'
    assert answer.headers["location"] == f"/hotline/v1/cases/{answer.json()['id']}"


def test_a_posted_case_is_told_of_without_the_person(hotline: Hotline) -> None:
    case_id = hotline.posted()

    events = hotline.house.published("hotline")

    assert events == [HotlineCasePosted(hotline_case_id=UUID(case_id), country="TW", category="labour_dispute")]


def test_nothing_of_the_person_is_stored_in_clear(hotline: Hotline) -> None:
    hotline.posted()

    with hotline.house.session("hotline") as session:
        stored = repr(session.exec(select(HotlineCase)).one().model_dump())

    for value in ("Hằng", "912345678", "hộ chiếu"):
        assert value not in stored


def test_the_same_content_again_answers_the_same_case(hotline: Hotline) -> None:
    first = hotline.post()

    again = hotline.post(person={**CASE["person"], "phone": "+886 912 345 678"})

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert again.headers["etag"] == first.headers["etag"]
    assert len(hotline.house.published("hotline", HotlineCasePosted)) == 1


def test_the_same_content_again_after_a_triage_answers_how_the_case_stands(hotline: Hotline) -> None:
    hotline.triage(hotline.posted(), "p1")

    again = hotline.post()

    assert (again.status_code, again.json()["status"], again.json()["priority"]) == (200, "triaged", "p1")
    assert again.headers["etag"] == '"2"'


@pytest.mark.parametrize(
    "changes", [{"narrative": "Khác."}, {"category": "violence"}, {"person": {}}, {"complaint_types": []}]
)
def test_other_content_under_the_same_reference_is_a_conflict(hotline: Hotline, changes: dict[str, Any]) -> None:
    hotline.posted()

    other = hotline.post(**changes)

    assert other.status_code == 409
    assert other.json()["reason"] == "reference_used"
    assert len(hotline.get("/cases").json()["items"]) == 1


def test_two_posts_at_once_make_one_case(hotline: Hotline) -> None:
    hotline.get("/cases")

    with ThreadPoolExecutor(2) as both:
        answers = list(both.map(lambda _: hotline.post(), range(2)))

    assert sorted(answer.status_code for answer in answers) == [200, 201]
    assert len({answer.json()["id"] for answer in answers}) == 1


def test_each_mission_has_references_of_its_own(hotline: Hotline) -> None:
    organisation = "01920000-0000-7000-8000-00000000aaaa"
    cases = [
        hotline.post(),
        hotline.post(claims={"country": "JP"}, country="JP"),
        hotline.post(claims={"country": "TW", "org": organisation}),
        hotline.post(claims={"country": "JP", "org": organisation}, country="JP"),
        hotline.post("hotline_operator"),
    ]

    assert [answer.status_code for answer in cases] == [201] * 5
    assert len({answer.json()["id"] for answer in cases}) == 5


def test_the_same_key_stores_once(hotline: Hotline) -> None:
    headers = {**hotline.token("mission_officer"), "Idempotency-Key": "one"}

    first = hotline.client.post("/hotline/v1/cases", json=CASE, headers=headers)
    again = hotline.client.post("/hotline/v1/cases", json=CASE, headers=headers)

    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"reference": "có dấu"}, "/reference"),
        ({"category": "boredom"}, "/category"),
        ({"complaint_types": ["boredom"]}, "/complaint_types/0"),
        ({"narrative": ""}, "/narrative"),
        ({"person": {"phone": "12"}}, "/person/phone"),
        ({"status": "handed_over"}, "/status"),
    ],
)
def test_a_case_with_a_fault_is_refused_at_its_place(hotline: Hotline, changes: dict[str, Any], pointer: str) -> None:
    answer = hotline.post(**changes)

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert "Hằng" not in answer.text


def test_a_mission_posts_for_its_own_country_alone(hotline: Hotline) -> None:
    assert hotline.post(country="JP").status_code == 403
    assert hotline.post("hotline_operator", country="JP").status_code == 201


def test_a_mission_sees_the_cases_of_its_country_alone(hotline: Hotline) -> None:
    near = hotline.posted()
    far = hotline.posted(role="hotline_operator", country="JP", reference="JP-1")

    listed = hotline.get("/cases", "mission_officer").json()["items"]

    assert [item["id"] for item in listed] == [near]
    assert hotline.get(f"/cases/{near}", "mission_officer").status_code == 200
    assert hotline.get(f"/cases/{far}", "mission_officer").status_code == 404
    assert len(hotline.get("/cases").json()["items"]) == 2


def test_lists_name_nobody_and_are_filtered_by_status(hotline: Hotline) -> None:
    one, two, three = (hotline.posted(reference=f"R{n}") for n in range(3))
    hotline.triage(two)
    hotline.triage(three)
    hotline.hand_over(three)

    def listed(query: str) -> list[str]:
        return [item["id"] for item in hotline.get(f"/cases{query}").json()["items"]]

    assert listed("") == [three, two, one]
    assert listed("?status=posted,triaged") == [two, one]
    assert listed("?status=posted&status=handed_over") == [three, one]
    assert hotline.get("/cases?status=lost").status_code == 422
    assert "Hằng" not in hotline.get("/cases").text


def test_a_list_goes_on_where_its_page_ended_and_its_cursor_serves_nobody_else(hotline: Hotline) -> None:
    cases = [hotline.posted(reference=f"R{n}") for n in range(3)]

    first = hotline.get("/cases?limit=2&status=posted").json()
    second = hotline.client.get(first["next"], headers=hotline.token("hotline_operator")).json()
    other_filter = hotline.client.get(
        first["next"].replace("posted", "triaged"), headers=hotline.token("hotline_operator")
    )
    someone_else = hotline.client.get(first["next"], headers=hotline.token("mission_officer"))

    assert [item["id"] for item in (*first["items"], *second["items"])] == cases[::-1]
    assert second["next"] is None
    assert (other_filter.status_code, someone_else.status_code) == (422, 422)


def test_one_case_is_read_with_the_person_and_the_reading_is_recorded(hotline: Hotline) -> None:
    case_id = hotline.posted()

    case = hotline.read(case_id, "mission_officer")

    assert case["person"]["name"] == "Nguyễn Thị Hằng"
    assert case["narrative"] == CASE["narrative"]
    reads = [row for row in hotline.house.rows("hotline", audit) if row["outcome"] == "read"]
    assert [(row["actor"], row["row_id"]) for row in reads] == [("demo:mission_officer", case_id)]


def test_an_erased_person_is_shown_to_nobody(hotline: Hotline) -> None:
    case_id = hotline.handed_over()
    with hotline.house.session("hotline") as session:
        erase(session, session.exec(select(HotlineCase)).one().caller_id)
        session.commit()

    case, details = hotline.read(case_id), hotline.fetch(case_id).json()

    assert (case["person"], case["narrative"]) == (None, None)
    assert (details["name"], details["narrative"]) == (None, "")
