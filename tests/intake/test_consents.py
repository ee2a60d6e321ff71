"""The consent ledger, as officers keep it and clients change their mind."""

from typing import Any
from uuid import UUID

import pytest

from shared.contracts.intake import ConsentWithdrawn
from shared.ids import new_id
from tests.intake.world import CONSENT, World


def record(world: World, case_id: str, headers: Any = None, **changes: Any) -> Any:
    body = {**CONSENT, "organization_id": str(world.partner_id), **changes}
    return world.post(f"/cases/{case_id}/consents", body, headers)


def withdraw(world: World, consent_id: str, headers: Any = None, body: Any = None) -> Any:
    return world.post(f"/consents/{consent_id}/withdraw", body, headers)


def test_a_consent_is_recorded_as_it_was_explained(world: World) -> None:
    world.list_partner()
    case_id = world.register()["id"]

    answer = record(world, case_id, language="hmn", expires_on="2999-12-31")

    consent = answer.json()
    assert answer.status_code == 201, answer.text
    assert (consent["explained_by"], consent["language"], consent["text_version"]) == ("officer:an", "hmn", "2026-1")
    assert (consent["fields"], consent["method"], consent["withdrawn_at"]) == (["name", "phone"], "signed", None)
    assert world.get(f"/cases/{case_id}/consents").json()["items"] == [consent]
    assert world.told(case_id)[-1] == "consent_given"


def test_reporting_has_a_consent_of_its_own_that_names_nobody(world: World) -> None:
    case_id = world.register()["id"]

    answer = record(
        world, case_id, purpose="non_identifiable_reporting", organization_id=None, service_type=None, fields=[]
    )

    assert answer.status_code == 201, answer.text


@pytest.mark.parametrize(
    "changes",
    [
        {"fields": []},
        {"fields": ["name", "name"]},
        {"fields": ["bank_account"]},
        {"service_type": None},
        {"organization_id": None},
        {"service_type": "massage"},
        {"purpose": "non_identifiable_reporting"},
        {"method": "silence"},
        {"text_version": "đọc miệng"},
        {"expires_on": "2026-01-01"},
        {"expires_on": "2026-02-30"},
    ],
)
def test_a_consent_that_is_bundled_or_incomplete_is_refused(world: World, changes: dict[str, Any]) -> None:
    world.list_partner()
    case_id = world.register()["id"]

    assert record(world, case_id, **changes).status_code == 422


def test_a_receiver_must_be_an_active_partner(world: World) -> None:
    case_id = world.register()["id"]
    unknown = record(world, case_id)
    world.list_partner(active=False)

    inactive = record(world, case_id)

    for answer in (unknown, inactive):
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/organization_id"


def test_consents_of_other_offices_are_neither_made_nor_seen_nor_withdrawn(world: World) -> None:
    world.list_partner()
    case_id = world.register()["id"]
    consent_id = world.consent(case_id)["id"]

    assert record(world, case_id, world.stranger).status_code == 404
    assert world.get(f"/cases/{case_id}/consents", world.stranger).status_code == 404
    assert withdraw(world, consent_id, world.stranger).status_code == 404
    assert withdraw(world, str(new_id())).status_code == 404
    assert withdraw(world, consent_id, world.partner).status_code == 403


def test_no_consent_is_added_to_a_closed_case_but_one_can_be_withdrawn(world: World) -> None:
    world.list_partner()
    case_id = world.register()["id"]
    consent_id = world.consent(case_id)["id"]
    world.closed(case_id)

    late = record(world, case_id)
    withdrawn = withdraw(world, consent_id)

    assert (late.status_code, late.json()["reason"]) == (409, "case_closed")
    assert withdrawn.status_code == 200


def test_withdrawing_ends_the_referrals_that_stood_on_it_and_no_other(world: World) -> None:
    case_id, consent_id, referral_id = world.referred()
    world.consent(case_id, service_type="counselling")
    other = world.referral(case_id, service_type="counselling")["id"]
    declined = world.referral(case_id)["id"]

    answer = withdraw(world, consent_id, body={"reason": "safety_concern"})

    ended = answer.json()["cancelled_referrals"]
    statuses = {one["id"]: one["status"] for one in world.get(f"/cases/{case_id}/referrals").json()["items"]}
    assert answer.status_code == 200, answer.text
    assert sorted(ended) == sorted([referral_id, declined])
    assert answer.json()["withdrawn_why"] == "safety_concern"
    assert statuses == {referral_id: "cancelled", declined: "cancelled", other: "requested"}
    assert world.told(case_id)[-3:] == ["consent_withdrawn", "referral_cancelled", "referral_cancelled"]


def test_a_withdrawal_is_told_of_with_the_referrals(world: World) -> None:
    case_id, consent_id, referral_id = world.referred()

    withdraw(world, consent_id)

    [told] = world.house.published("intake", ConsentWithdrawn)
    assert told == ConsentWithdrawn(
        case_id=UUID(case_id), consent_id=UUID(consent_id), referral_ids=[UUID(referral_id)]
    )


def test_a_consent_is_withdrawn_once(world: World) -> None:
    _, consent_id, _ = world.referred()
    withdraw(world, consent_id)

    again = withdraw(world, consent_id)

    assert (again.status_code, again.json()["reason"]) == (409, "already_withdrawn")


def test_a_withdrawal_answers_the_same_key_again(world: World) -> None:
    _, consent_id, _ = world.referred()

    first = world.post(f"/consents/{consent_id}/withdraw", **{"Idempotency-Key": "w-1"})
    again = world.post(f"/consents/{consent_id}/withdraw", **{"Idempotency-Key": "w-1"})

    assert (again.status_code, again.json()) == (200, first.json())
