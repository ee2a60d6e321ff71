"""How cases end, by three people and the client's own word, and how they go on."""

from typing import Any

import pytest

from shared.contracts.intake import CaseClosed, CaseInCare, CaseReopened
from tests.intake.world import World


def close(world: World, case_id: str, headers: Any = None) -> Any:
    return world.post(f"/cases/{case_id}/close", headers=headers or world.supervisor)


def test_a_case_is_resolved_with_its_compensation(world: World) -> None:
    case_id = world.register()["id"]

    answer = world.resolve(case_id, outcome="compensated", compensation={"amount": "190000000", "currency": "VND"})

    case = answer.json()
    assert answer.status_code == 200, answer.text
    assert (case["status"], case["outcome"]) == ("resolved", "compensated")
    assert case["compensation"] == {"amount": "190000000", "currency": "VND"}
    assert world.told(case_id)[-2:] == ["case_resolved", "compensation_recorded"]


@pytest.mark.parametrize(
    "changes",
    [
        {"outcome": "won"},
        {"compensation": {"amount": "0", "currency": "VND"}},
        {"compensation": {"amount": "-5", "currency": "VND"}},
        {"compensation": {"amount": 5, "currency": "VND"}},
        {"compensation": {"amount": "5", "currency": "ĐỒNG"}},
    ],
)
def test_an_outcome_that_is_none_is_refused(world: World, changes: dict[str, Any]) -> None:
    assert world.resolve(world.register()["id"], **changes).status_code == 422


def test_a_resolved_case_is_not_resolved_again(world: World) -> None:
    case_id = world.register()["id"]
    world.resolve(case_id)

    again = world.resolve(case_id)

    assert (again.status_code, again.json()["allowed"]) == (409, ["closed", "in_care"])


def test_the_client_confirms_before_another_than_who_resolved_it(world: World) -> None:
    case_id = world.register()["id"]
    world.resolve(case_id)

    own = world.confirm(case_id, world.officer)
    others = world.confirm(case_id, world.colleague)
    again = world.confirm(case_id, world.supervisor)

    assert (own.status_code, own.json()["reason"]) == (409, "self_confirmation")
    assert (others.status_code, others.json()["confirmed_how"]) == (200, "in_person")
    assert (again.status_code, again.json()["reason"]) == (409, "already_confirmed")
    assert world.told(case_id)[-1] == "client_confirmed"


def test_only_a_resolved_case_is_confirmed(world: World) -> None:
    case_id = world.register()["id"]

    answer = world.confirm(case_id)

    assert (answer.status_code, answer.json()["reason"]) == (409, "not_resolved")


def test_a_client_who_disagrees_brings_the_case_back_into_care(world: World) -> None:
    case_id = world.register()["id"]
    world.resolve(case_id, compensation={"amount": "1000", "currency": "USD"})

    answer = world.confirm(case_id, satisfied=False)

    case = answer.json()
    assert (case["status"], case["outcome"], case["compensation"]) == ("in_care", None, None)
    assert world.told(case_id)[-1] == "client_disagreed"
    assert len(world.house.published("intake", CaseInCare)) == 1


def test_a_confirmed_case_is_closed_by_a_supervisor(world: World) -> None:
    case_id = world.register()["id"]

    world.closed(case_id)

    [closed] = world.house.published("intake", CaseClosed)
    assert (str(closed.case_id), closed.outcome, closed.hotline_case_id) == (case_id, "refunded", None)
    assert world.get(f"/cases/{case_id}").json()["closed_at"] is not None
    assert world.told(case_id)[-1] == "case_closed"


def test_a_case_is_not_closed_without_the_clients_word(world: World) -> None:
    case_id = world.register()["id"]
    early = close(world, case_id)
    world.resolve(case_id)

    unconfirmed = close(world, case_id)

    assert (early.status_code, early.json()["allowed"]) == (409, ["in_care", "resolved"])
    assert (unconfirmed.status_code, unconfirmed.json()["reason"]) == (409, "no_confirmation")
    assert world.house.published("intake", CaseClosed) == []


def test_who_took_the_confirmation_does_not_close(world: World) -> None:
    case_id = world.register()["id"]
    world.resolve(case_id)
    world.confirm(case_id, world.supervisor)

    own = close(world, case_id)
    others = close(world, case_id, world.token("osso_supervisor", sub="supervisor:em"))

    assert (own.status_code, own.json()["reason"]) == (409, "self_close")
    assert others.status_code == 200


def test_officers_do_not_close_and_other_provinces_see_no_case(world: World) -> None:
    case_id = world.register()["id"]
    elsewhere = world.token("osso_supervisor", office="osso-can-tho", province="92")

    assert close(world, case_id, world.officer).status_code == 403
    assert close(world, case_id, elsewhere).status_code == 404
    assert world.post(f"/cases/{case_id}/reopen", headers=elsewhere).status_code == 404
    assert world.resolve(case_id, world.stranger).status_code == 404
    assert world.confirm(case_id, world.stranger).status_code == 404


def test_closing_completes_the_referral_that_a_partner_took_on(world: World) -> None:
    case_id, _, referral_id = world.referred()
    world.accept(case_id, referral_id, bed_held=True)

    world.closed(case_id)

    referral = world.referral_of(case_id)
    assert (referral["status"], referral["reason"], referral["bed_held"]) == ("completed", "case_closed", False)
    assert world.told(case_id)[-2:] == ["referral_completed", "case_closed"]


def test_closing_calls_off_the_referral_that_nobody_answered(world: World) -> None:
    case_id, _, _ = world.referred()

    world.closed(case_id)

    referral = world.referral_of(case_id)
    assert (referral["status"], referral["reason"]) == ("cancelled", "case_closed")
    assert world.told(case_id)[-2:] == ["referral_cancelled", "case_closed"]


def test_a_closed_case_is_reopened_without_its_outcome(world: World) -> None:
    case_id = world.register()["id"]
    world.closed(case_id)

    answer = world.post(f"/cases/{case_id}/reopen", headers=world.supervisor)

    case = answer.json()
    assert answer.status_code == 200, answer.text
    assert (case["status"], case["outcome"], case["confirmed_at"], case["closed_at"]) == ("in_care", None, None, None)
    assert [str(event.case_id) for event in world.house.published("intake", CaseReopened)] == [case_id]
    assert world.told(case_id)[-1] == "case_reopened"


def test_what_is_not_closed_is_not_reopened(world: World) -> None:
    case_id = world.register()["id"]
    world.resolve(case_id)

    answer = world.post(f"/cases/{case_id}/reopen", headers=world.supervisor)

    assert answer.status_code == 409
    assert world.status(case_id) == "resolved"


def test_a_transition_honours_the_version_when_it_is_sent(world: World) -> None:
    case_id = world.register()["id"]

    stale = world.post(f"/cases/{case_id}/resolution", {"outcome": "refunded"}, **{"If-Match": '"9"'})
    fresh = world.post(f"/cases/{case_id}/resolution", {"outcome": "refunded"}, **{"If-Match": '"1"'})

    assert (stale.status_code, fresh.status_code) == (412, 200)
