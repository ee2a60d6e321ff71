"""Two people at once: consent and referral, erasure and registration."""

import threading
from collections.abc import Callable
from typing import Any

from shared.contracts.intake import ConsentWithdrawn, ReferralRequested
from tests.intake.world import CASE, World


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Do several things at the same time; return their answers in order."""
    answers: list[Any] = [None] * len(acts)
    gate = threading.Barrier(len(acts))

    def run(place: int) -> None:
        gate.wait(timeout=30)
        answers[place] = acts[place]()

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return answers


def test_no_referral_slips_past_a_withdrawal(world: World) -> None:
    world.list_partner()
    case_id = world.register()["id"]
    consent_id = world.consent(case_id)["id"]
    asked = {"organization_id": str(world.partner_id), "service_type": "legal_aid"}

    request, withdrawal = at_once(
        lambda: world.post(f"/cases/{case_id}/referrals", asked),
        lambda: world.post(f"/consents/{consent_id}/withdraw"),
    )

    [told] = world.house.published("intake", ConsentWithdrawn)
    requested = [event.referral_id for event in world.house.published("intake", ReferralRequested)]
    referrals = world.get(f"/cases/{case_id}/referrals").json()["items"]
    assert withdrawal.status_code == 200
    assert request.status_code in {201, 409}
    assert told.referral_ids == requested
    assert all(referral["status"] == "cancelled" for referral in referrals)


def test_an_erasure_and_a_new_case_of_the_same_person_exclude_each_other(world: World) -> None:
    first = world.register()
    world.closed(first["id"])
    again = {**CASE, "person": None, "person_id": first["person_id"]}

    erased, registered = at_once(
        lambda: world.post(f"/people/{first['person_id']}/erase", headers=world.supervisor),
        lambda: world.post("/cases", again),
    )

    assert (erased.status_code, registered.status_code) in {(200, 410), (409, 201)}


def test_an_erasure_and_a_reopening_exclude_each_other(world: World) -> None:
    case = world.register()
    world.closed(case["id"])

    erased, reopened = at_once(
        lambda: world.post(f"/people/{case['person_id']}/erase", headers=world.supervisor),
        lambda: world.post(f"/cases/{case['id']}/reopen", headers=world.supervisor),
    )

    assert (erased.status_code, reopened.status_code) in {(200, 410), (409, 200)}
