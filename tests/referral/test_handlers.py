"""What becomes of intake's news, in order and out of order."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import col, select

from services.referral.models import Delivery, Message
from shared.bus import Retry
from shared.clock import now
from shared.contracts.intake import CaseClosed, ConsentWithdrawn, ReferralRequested
from shared.contracts.referral import (
    BedReleased,
    ReferralCancelled,
    ReferralCompleted,
    ReferralRouted,
    ReferralUnroutable,
)
from shared.ids import new_id
from shared.tables import inbox
from tests.harness import House
from tests.referral.partners import OTHER, Partners


def withdraw(house: House, *asked: ReferralRequested) -> None:
    referral_ids = [event.referral_id for event in asked]
    house.handle("referral", ConsentWithdrawn(case_id=asked[0].case_id, consent_id=new_id(), referral_ids=referral_ids))


def close(house: House, asked: ReferralRequested, **changes: Any) -> None:
    house.handle("referral", CaseClosed(case_id=asked.case_id, outcome="resolved", **changes))


def told(house: House) -> list[str]:
    """Return the types of all messages, oldest first."""
    with house.session("referral") as session:
        return [message.type.value for message in session.exec(select(Message).order_by(col(Message.seq)))]


def test_a_request_reaches_a_service_and_its_endpoints(partners: Partners, house: House) -> None:
    service = partners.shelter(beds=1)
    partners.organization(OTHER)
    endpoints = {partners.endpoint(f"http://127.0.0.1:{port}/hook")["id"] for port in (9001, 9002)}
    partners.endpoint("http://127.0.0.1:9003/hook", partners.stranger)

    asked = partners.referral()

    [routed] = house.published("referral", ReferralRouted)
    assert (routed.referral_id, routed.case_id, str(routed.service_id)) == (
        asked.referral_id,
        asked.case_id,
        service["id"],
    )
    with house.session("referral") as session:
        [message] = session.exec(select(Message)).all()
        deliveries = session.exec(select(Delivery)).all()
    assert message.id.startswith("msg_")
    assert message.type == "referral.requested"
    assert message.correlation_id == "test-correlation"
    assert message.payload == {
        "referral_id": str(asked.referral_id),
        "url": f"http://127.0.0.1:8000/referral/v1/referrals/{asked.referral_id}",
        "disclosure_url": f"http://127.0.0.1:8000/intake/v1/disclosures/{asked.referral_id}",
    }
    assert {str(delivery.endpoint_id) for delivery in deliveries} == endpoints


def test_the_shelter_with_the_most_free_beds_is_chosen(partners: Partners) -> None:
    partners.shelter(beds=1)
    larger = partners.service(name="Nhà lớn")
    partners.count(larger, 5)

    asked = partners.referral()

    assert str(partners.stored(asked.referral_id).service_id) == larger["id"]


def test_nothing_that_fits_is_told_to_the_officer_and_to_no_partner(partners: Partners, house: House) -> None:
    partners.shelter(beds=1)
    partners.endpoint("http://127.0.0.1:9009/hook")
    partners.organization(OTHER, active=False)
    partners.service(OTHER)

    asked = [
        partners.referral(service_type="medical"),
        partners.referral(organization_id=OTHER),
        partners.referral(organization_id=new_id()),
    ]

    unroutable = house.published("referral", ReferralUnroutable)
    assert [event.reason for event in unroutable] == [
        "no_service_fits",
        "organization_inactive",
        "organization_unknown",
    ]
    assert [event.referral_id for event in unroutable] == [event.referral_id for event in asked]
    assert partners.stored(asked[0].referral_id).status == "unroutable"
    assert partners.get(f"referrals/{asked[0].referral_id}").status_code == 404
    assert told(house) == []


def test_a_request_that_comes_twice_is_one_referral(partners: Partners, house: House) -> None:
    partners.shelter(beds=1)
    asked = partners.referral()

    house.handle("referral", asked)

    assert len(house.published("referral", ReferralRouted)) == 1
    assert told(house) == ["referral.requested"]


def test_a_request_in_unknown_words_is_never_swallowed(partners: Partners, house: House) -> None:
    asked = partners.requested(service_type="astrology")

    with pytest.raises(Retry):
        house.handle("referral", asked)

    assert house.rows("referral", inbox) == []


def test_a_withdrawn_consent_cancels_and_frees_the_bed(partners: Partners, house: House) -> None:
    service = partners.shelter(beds=2)
    accepted = partners.referral()
    routed = partners.referral(case_id=accepted.case_id)
    kept = partners.referral(case_id=accepted.case_id)
    partners.answer(accepted, "accept")

    withdraw(house, accepted, routed)

    assert [partners.stored(event.referral_id).status for event in (accepted, routed, kept)] == [
        "cancelled",
        "cancelled",
        "routed",
    ]
    assert partners.stored(accepted.referral_id).reason == "consent_withdrawn"
    assert partners.beds(service)["available"] == 2
    cancelled = house.published("referral", ReferralCancelled)
    assert [(event.referral_id, event.reason) for event in cancelled] == [
        (accepted.referral_id, "consent_withdrawn"),
        (routed.referral_id, "consent_withdrawn"),
    ]
    assert [event.referral_id for event in house.published("referral", BedReleased)] == [accepted.referral_id]
    assert told(house) == ["referral.requested"] * 3 + ["referral.cancelled"] * 2
    assert partners.answer(routed, "accept").status_code == 409


def test_a_withdrawn_consent_changes_nothing_that_has_ended(partners: Partners, house: House) -> None:
    partners.shelter(beds=1)
    declined = partners.referral()
    partners.answer(declined, "decline", {"reason": "unsafe"})

    withdraw(house, declined)
    withdraw(house, declined)

    assert partners.stored(declined.referral_id).reason == "unsafe"
    assert house.published("referral", ReferralCancelled) == []


def test_a_consent_withdrawn_before_its_request_came_leaves_nothing_to_answer(partners: Partners, house: House) -> None:
    service = partners.shelter(beds=1)
    late = partners.requested()
    withdraw(house, late)

    house.handle("referral", late)

    stored = partners.stored(late.referral_id)
    assert (stored.status, stored.reason, stored.service_id) == ("cancelled", "consent_withdrawn", None)
    assert partners.get(f"referrals/{late.referral_id}").status_code == 404
    assert [event.reason for event in house.published("referral", ReferralCancelled)] == ["consent_withdrawn"]
    assert house.published("referral", ReferralRouted) == []
    assert told(house) == []
    assert partners.beds(service)["available"] == 1


def test_a_closed_case_ends_whatever_it_had_open(partners: Partners, house: House) -> None:
    service = partners.shelter(beds=2)
    accepted = partners.referral()
    routed, declined = (partners.referral(case_id=accepted.case_id) for _ in range(2))
    foreign = partners.referral()
    partners.answer(accepted, "accept")
    partners.answer(declined, "decline", {"reason": "other"})

    close(house, accepted, closed_at=now())

    ended = [partners.stored(event.referral_id) for event in (accepted, routed, declined, foreign)]
    assert [row.status for row in ended] == ["completed", "cancelled", "declined", "routed"]
    assert [row.reason for row in ended] == ["case_closed", "case_closed", "other", None]
    assert partners.beds(service)["available"] == 2
    assert [event.referral_id for event in house.published("referral", ReferralCompleted)] == [accepted.referral_id]
    assert [event.referral_id for event in house.published("referral", BedReleased)] == [accepted.referral_id]
    assert [event.reason for event in house.published("referral", ReferralCancelled)] == ["case_closed"]
    assert told(house) == ["referral.requested"] * 4 + ["referral.closed"] * 2


@pytest.mark.parametrize("says_when", [True, False])
def test_a_case_closed_before_a_request_came_leaves_nothing_to_answer(
    partners: Partners, house: House, says_when: bool
) -> None:
    partners.shelter(beds=1)
    late = partners.requested()
    close(house, late, closed_at=now() if says_when else None)

    house.handle("referral", late)

    stored = partners.stored(late.referral_id)
    assert (stored.status, stored.reason) == ("cancelled", "case_closed")
    assert told(house) == []


def test_a_withdrawn_consent_is_the_reason_even_if_the_case_closed_too(partners: Partners, house: House) -> None:
    partners.shelter(beds=1)
    late = partners.requested()
    close(house, late)
    close(house, late)
    withdraw(house, late)

    house.handle("referral", late)

    assert partners.stored(late.referral_id).reason == "consent_withdrawn"


def test_what_is_asked_after_a_case_was_reopened_lives(partners: Partners, house: House) -> None:
    partners.shelter(beds=1)
    before = partners.referral()
    closed_at = now()
    after = partners.referral(case_id=before.case_id, requested_at=closed_at + timedelta(minutes=1))

    close(house, before, closed_at=closed_at)
    later = partners.referral(case_id=before.case_id, requested_at=closed_at + timedelta(minutes=2))

    statuses = [partners.stored(event.referral_id).status for event in (before, after, later)]
    assert statuses == ["cancelled", "routed", "routed"]


def test_request_and_withdrawal_at_the_same_moment_always_end_cancelled(partners: Partners, house: House) -> None:
    partners.shelter(beds=1)
    asked = [partners.requested() for _ in range(12)]

    with ThreadPoolExecutor(8) as carriers:
        requests = [carriers.submit(house.handle, "referral", event) for event in asked]
        withdrawals = [carriers.submit(withdraw, house, event) for event in asked]
    for requested in requests:
        requested.result()
    for withdrawn in withdrawals:
        withdrawn.result()

    assert {partners.stored(event.referral_id).status for event in asked} == {"cancelled"}


def test_closing_and_accepting_at_the_same_moment_leave_no_bed_behind(partners: Partners, house: House) -> None:
    service = partners.shelter(beds=8)
    asked = [partners.referral() for _ in range(8)]

    with ThreadPoolExecutor(8) as crowd:
        acceptances = [crowd.submit(partners.answer, event, "accept") for event in asked]
        endings = [crowd.submit(close, house, event) for event in asked]
    for answered in acceptances:
        assert answered.result().status_code in {200, 409}
    for ended in endings:
        ended.result()

    assert {partners.stored(event.referral_id).status.value for event in asked} <= {"completed", "cancelled"}
    assert partners.beds(service)["available"] == 8
