"""Cases, as officers list, filter, correct and follow them."""

import threading
from typing import Any

import pytest

from tests.intake.world import PERSONAL, World


def test_cases_are_listed_newest_first_without_names(world: World) -> None:
    first, second = world.register()["id"], world.register()["id"]

    page = world.get("/cases?limit=1")
    rest = world.api.get(page.json()["next"], headers=world.officer)

    assert [case["id"] for case in page.json()["items"]] == [second]
    assert [case["id"] for case in rest.json()["items"]] == [first]
    assert not any(word in page.text for word in PERSONAL)


def test_cases_are_filtered_by_status_type_and_day(world: World) -> None:
    fees, hours = world.register()["id"], world.register(complaint_types=["overtime"])["id"]
    world.resolve(hours)

    def found(query: str) -> list[str]:
        return [case["id"] for case in world.get(f"/cases?{query}").json()["items"]]

    assert found("status=opened,in_care") == [fees]
    assert found("complaint_type=overtime") == [hours]
    assert found("created_from=2026-01-01&created_to=2999-12-31") == [hours, fees]
    assert found("created_to=2026-01-01") == []
    assert found("created_from=2999-12-31") == []


@pytest.mark.parametrize(
    "query", ["status=gone", "complaint_type=none_such", "created_from=0001-01-01", "created_to=x"]
)
def test_a_filter_that_means_nothing_is_refused(world: World, query: str) -> None:
    assert world.get(f"/cases?{query}").status_code == 422


def test_a_case_is_corrected(world: World) -> None:
    case_id = world.register()["id"]

    answer = world.patch(
        f"/cases/{case_id}", {"priority": "p0", "complaint_types": ["confinement"], "respondent": "employer"}, '"1"'
    )

    case = answer.json()
    assert answer.status_code == 200, answer.text
    assert answer.headers["etag"] == '"2"'
    assert (case["priority"], case["complaint_types"], case["respondent"]) == ("p0", ["confinement"], "employer")
    assert world.told(case_id)[-1] == "case_updated"


def test_a_correction_needs_the_version_it_corrects(world: World) -> None:
    case_id = world.register()["id"]

    assert world.patch(f"/cases/{case_id}", {"priority": "p0"}, None).status_code == 428
    assert world.patch(f"/cases/{case_id}", {"priority": "p0"}, '"7"').status_code == 412
    assert world.get(f"/cases/{case_id}").json()["priority"] == "p2"


def test_of_two_officers_who_correct_the_same_version_one_wins(world: World) -> None:
    case_id = world.register()["id"]
    answers: list[int] = []

    def correct(headers: Any) -> None:
        answers.append(world.patch(f"/cases/{case_id}", {"priority": "p1"}, '"1"', headers).status_code)

    racers = [threading.Thread(target=correct, args=(who,)) for who in (world.officer, world.colleague)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()

    assert sorted(answers) == [200, 412]


def test_another_office_cannot_correct_or_follow_a_case(world: World) -> None:
    case_id = world.register()["id"]

    assert world.patch(f"/cases/{case_id}", {"priority": "p0"}, '"1"', world.stranger).status_code == 404
    assert world.get(f"/cases/{case_id}/timeline", world.stranger).status_code == 404


def test_a_closed_case_is_not_corrected(world: World) -> None:
    case_id = world.register()["id"]
    world.closed(case_id)

    answer = world.patch(f"/cases/{case_id}", {"priority": "p0"}, "*")

    assert (answer.status_code, answer.json()["reason"]) == (409, "case_closed")
