"""What becomes of a referral, in whatever order the news of it comes."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import pytest

from shared.contracts.intake import CaseInCare
from shared.contracts.referral import (
    BedReleased,
    ReferralAccepted,
    ReferralCancelled,
    ReferralCompleted,
    ReferralDeclined,
    ReferralRouted,
    ReferralUnroutable,
)
from shared.events import Event
from shared.ids import new_id
from shared.tables import dead_letter
from tests.intake.world import World

ORDERS: list[tuple[list[type[Event]], str]] = [
    ([ReferralRouted], "routed"),
    ([ReferralRouted, ReferralAccepted], "accepted"),
    ([ReferralAccepted, ReferralRouted], "accepted"),
    ([ReferralUnroutable, ReferralRouted], "unroutable"),
    ([ReferralRouted, ReferralDeclined, ReferralAccepted], "declined"),
    ([ReferralCompleted, ReferralAccepted, ReferralRouted], "completed"),
    ([ReferralAccepted, ReferralCompleted, ReferralCancelled], "completed"),
    ([ReferralCancelled, ReferralAccepted, ReferralCompleted], "cancelled"),
]
"""News of a referral in some order, and where it leaves it."""


def news(case_id: str, referral_id: str, *kinds: type[Event]) -> Iterable[Event]:
    """Make news of a referral, of these kinds, in this order."""
    more: dict[type[Event], dict[str, Any]] = {
        ReferralRouted: {"service_id": new_id()},
        ReferralUnroutable: {"reason": "no_such_service"},
        ReferralAccepted: {"organization_id": new_id(), "bed_held": False},
        ReferralDeclined: {"reason": "no_capacity"},
        ReferralCancelled: {"reason": "partner_closed"},
    }
    for kind in kinds:
        yield kind.model_validate({"case_id": case_id, "referral_id": referral_id, **more.get(kind, {})})


def test_the_first_acceptance_brings_the_case_into_care(world: World) -> None:
    case_id, _, referral_id = world.referred()
    second = world.referral(case_id)["id"]

    world.accept(case_id, referral_id, bed_held=True)
    world.accept(case_id, second)

    [in_care] = world.house.published("intake", CaseInCare)
    assert str(in_care.case_id) == case_id
    assert world.status(case_id) == "in_care"
    assert world.told(case_id)[-4:] == ["referral_accepted", "bed_held", "case_in_care", "referral_accepted"]
    statuses = {one["id"]: one["bed_held"] for one in world.get(f"/cases/{case_id}/referrals").json()["items"]}
    assert statuses == {referral_id: True, second: False}


@pytest.mark.parametrize(("kinds", "status"), ORDERS)
def test_a_referral_goes_forward_whatever_the_order_of_the_news(
    world: World, kinds: list[type[Event]], status: str
) -> None:
    case_id, _, referral_id = world.referred()

    for event in news(case_id, referral_id, *kinds):
        world.handle(event)

    assert world.referral_of(case_id)["status"] == status
    assert world.house.rows("intake", dead_letter) == []


def test_a_service_that_was_given_means_care_even_before_its_acceptance_is_heard_of(world: World) -> None:
    case_id, _, referral_id = world.referred()

    for event in news(case_id, referral_id, ReferralCompleted, ReferralAccepted):
        world.handle(event)

    assert world.status(case_id) == "in_care"
    assert len(world.house.published("intake", CaseInCare)) == 1


def test_late_news_does_not_reopen_what_a_withdrawal_ended(world: World) -> None:
    case_id, consent_id, referral_id = world.referred()
    world.post(f"/consents/{consent_id}/withdraw")

    kinds = (ReferralRouted, ReferralAccepted, ReferralCompleted, ReferralDeclined, ReferralCancelled)
    for event in news(case_id, referral_id, *kinds):
        world.handle(event)

    referral = world.referral_of(case_id)
    assert (referral["status"], referral["reason"]) == ("cancelled", "consent_withdrawn")
    assert world.status(case_id) == "opened"
    assert world.get(f"/disclosures/{referral_id}", world.partner).status_code == 404


def test_why_a_partner_declined_is_kept_as_a_code(world: World) -> None:
    case_id, _, referral_id = world.referred()

    for event in news(case_id, referral_id, ReferralDeclined):
        world.handle(event)

    assert world.referral_of(case_id)["reason"] == "no_capacity"
    assert world.get(f"/cases/{case_id}/timeline").json()["items"][0]["details"]["reason"] == "no_capacity"


def test_a_released_bed_is_no_longer_held(world: World) -> None:
    case_id, _, referral_id = world.referred()
    world.accept(case_id, referral_id, bed_held=True)

    world.handle(BedReleased(case_id=UUID(case_id), referral_id=UUID(referral_id)))

    assert world.referral_of(case_id)["bed_held"] is False
    assert world.told(case_id)[-1] == "bed_released"


def test_an_acceptance_for_a_resolved_case_does_not_undo_its_outcome(world: World) -> None:
    case_id, _, referral_id = world.referred()
    world.resolve(case_id)

    world.accept(case_id, referral_id)

    assert world.status(case_id) == "resolved"
    assert world.referral_of(case_id)["status"] == "accepted"
