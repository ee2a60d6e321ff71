"""Published figures: counts that expose no one."""

import pytest

from tests.intake.world import PERSONAL, World


def test_cases_are_counted_by_status_and_by_every_type_they_have(world: World) -> None:
    for _ in range(6):
        world.register()
    world.register(received_on="2024-05-01")

    answer = world.get("/figures?year=2026", world.token("analyst"))

    figures = answer.json()
    assert answer.status_code == 200, answer.text
    assert figures["by_status"] == {"opened": 6, "in_care": 0, "resolved": 0, "closed": 0}
    assert (figures["by_complaint_type"]["broker_fee"], figures["by_complaint_type"]["document_retention"]) == (6, 6)
    assert figures["by_complaint_type"]["overtime"] == 0
    assert (figures["unit"], figures["first_on"], figures["last_on"]) == ("case", "2026-01-01", "2026-12-31")
    assert figures["definition"]["en"].startswith("Cases received")


def test_small_cells_are_withheld_and_never_shown_as_zero(world: World) -> None:
    case_ids = [world.register()["id"] for _ in range(6)]
    world.resolve(case_ids[0])

    figures = world.get("/figures", world.token("analyst")).json()

    assert figures["by_status"] == {"opened": None, "in_care": 0, "resolved": None, "closed": 0}
    assert "null" in figures["note"]["en"]


def test_the_cases_of_the_erased_still_count(world: World) -> None:
    cases = [world.register() for _ in range(5)]
    for case in cases:
        world.closed(case["id"])

    world.post(f"/people/{cases[0]['person_id']}/erase", headers=world.supervisor)

    answer = world.get("/figures", world.token("analyst"))
    assert answer.json()["by_status"]["closed"] == 5
    assert not any(word in answer.text for word in PERSONAL)


@pytest.mark.parametrize("role", ["osso_officer", "osso_supervisor", "partner_manager", "administrator", "auditor"])
def test_figures_are_for_analysts(world: World, role: str) -> None:
    assert world.get("/figures", world.token(role)).status_code == 403


@pytest.mark.parametrize("year", ["1999", "3000", "now"])
def test_a_year_that_is_none_is_refused(world: World, year: str) -> None:
    assert world.get(f"/figures?year={year}", world.token("analyst")).status_code == 422
