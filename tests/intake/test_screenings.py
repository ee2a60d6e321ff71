"""Screenings, and the reviews that follow from them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from shared.clock import now
from shared.ids import new_id
from tests.intake.world import World, all_answers

EVIDENCE = "Chủ khóa cửa phòng, giữ hộ chiếu."


def record(world: World, case_id: str, headers: Any = None, **yes: str) -> Any:
    body = {"indicators": all_answers(**yes), "evidence": EVIDENCE}
    return world.post(f"/cases/{case_id}/screenings", body, headers)


def decide(world: World, task_id: str, headers: Any = None, **changes: Any) -> Any:
    body = {"decision": "refer_for_identification", "note": "Chuyển cơ quan có thẩm quyền.", **changes}
    return world.post(f"/tasks/{task_id}/decision", body, headers or world.supervisor)


def test_one_yes_is_an_indication_and_calls_for_one_review(world: World) -> None:
    case_id = world.register()["id"]

    answer = record(world, case_id, withholding_of_wages="yes", isolation="unknown")

    screening = answer.json()
    tasks = world.get("/tasks").json()["items"]
    assert answer.status_code == 201, answer.text
    assert screening["indications"] == ["withholding_of_wages"]
    assert [(task["id"], task["case_id"], task["status"]) for task in tasks] == [
        (screening["task_id"], case_id, "open")
    ]
    assert world.told(case_id)[-1] == "screening_recorded"


def test_no_yes_calls_for_no_review(world: World) -> None:
    case_id = world.register()["id"]

    answer = record(world, case_id, isolation="unknown")

    assert (answer.json()["indications"], answer.json()["task_id"]) == ([], None)
    assert world.get("/tasks").json()["items"] == []


def test_what_looks_like_trafficking_is_reviewed_on_the_same_day(world: World) -> None:
    case_id = world.register()["id"]

    record(world, case_id, restriction_of_movement="yes")
    record(world, case_id, excessive_overtime="yes")

    later, sooner = (datetime.fromisoformat(task["due_at"]) for task in world.get("/tasks").json()["items"])
    assert now() < sooner < later
    assert sooner.astimezone(UTC).hour == 17


@pytest.mark.parametrize(
    "indicators", [{}, {"isolation": "yes"}, {**all_answers(), "other": "no"}, all_answers(isolation="maybe")]
)
def test_every_indicator_needs_an_answer_of_its_own(world: World, indicators: dict[str, str]) -> None:
    case_id = world.register()["id"]

    answer = world.post(f"/cases/{case_id}/screenings", {"indicators": indicators})

    assert answer.status_code == 422
    assert world.told(case_id)[-1] != "screening_recorded"


def test_the_system_never_says_that_it_is_forced_labour(world: World) -> None:
    case_id = world.register()["id"]

    every = record(world, case_id, **dict.fromkeys(all_answers(), "yes")).text

    assert "forced_labour" not in every
    assert world.get(f"/cases/{case_id}").json()["status"] == "opened"


def test_screenings_are_read_with_their_evidence_and_the_reading_is_recorded(world: World) -> None:
    case_id = world.register()["id"]
    screening_id = record(world, case_id, deception="yes").json()["id"]

    [read] = world.get(f"/cases/{case_id}/screenings", world.supervisor).json()["items"]

    assert (read["evidence"], read["recorded_by"]) == (EVIDENCE, "officer:an")
    assert world.reads("screening", screening_id) == ["officer:an", "supervisor:chi"]
    assert world.get(f"/cases/{case_id}/screenings", world.stranger).status_code == 404


def test_a_supervisor_decides_what_an_officer_recorded(world: World) -> None:
    case_id = world.register()["id"]
    task_id = record(world, case_id, debt_bondage="yes").json()["task_id"]

    answer = decide(world, task_id)

    task = answer.json()
    assert answer.status_code == 200, answer.text
    assert (task["status"], task["decision"], task["decided_by"]) == (
        "done",
        "refer_for_identification",
        "supervisor:chi",
    )
    assert world.told(case_id)[-1] == "review_decided"
    assert [task["id"] for task in world.get("/tasks?status=done").json()["items"]] == [task_id]
    assert world.get("/tasks?status=open").json()["items"] == []


def test_nobody_reviews_their_own_screening(world: World) -> None:
    case_id = world.register()["id"]
    task_id = record(world, case_id, world.supervisor, debt_bondage="yes").json()["task_id"]

    own = decide(world, task_id)
    others = decide(world, task_id, world.token("osso_supervisor", sub="supervisor:em"))

    assert (own.status_code, own.json()["reason"]) == (409, "self_review")
    assert others.status_code == 200


def test_a_review_is_decided_once(world: World) -> None:
    task_id = record(world, world.register()["id"], debt_bondage="yes").json()["task_id"]
    decide(world, task_id)

    again = decide(world, task_id, decision="no_indication", note=None)

    assert (again.status_code, again.json()["allowed"]) == (409, [])


def test_reviews_are_seen_where_their_cases_are(world: World) -> None:
    task_id = record(world, world.register()["id"], debt_bondage="yes").json()["task_id"]
    elsewhere = world.token("osso_supervisor", office="osso-can-tho", province="92")

    assert world.get("/tasks", world.stranger).json()["items"] == []
    assert decide(world, task_id, elsewhere).status_code == 404
    assert decide(world, str(new_id())).status_code == 404
    assert decide(world, task_id, world.officer).status_code == 403
    assert world.get("/tasks", world.token("analyst")).status_code == 403


def test_other_offices_and_closed_cases_are_not_screened(world: World) -> None:
    case_id = world.register()["id"]
    foreign = record(world, case_id, world.stranger)
    world.closed(case_id)

    late = record(world, case_id)

    assert foreign.status_code == 404
    assert (late.status_code, late.json()["reason"]) == (409, "case_closed")
