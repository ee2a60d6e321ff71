"""Referrals on a client's consent, and what their receiver may read of her."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.intake.models import Consent
from shared.clock import today
from shared.contracts.intake import ReferralRequested
from shared.contracts.referral import ReferralCompleted, ReferralDeclined
from shared.ids import new_id
from tests.intake.world import NARRATIVE, PERSONAL, World

FIELDS = [
    "name",
    "born_on",
    "sex",
    "phone",
    "language",
    "document_number",
    "narrative",
    "complaint_types",
    "country",
]


def ask(world: World, case_id: str, headers: Any = None, **changes: Any) -> Any:
    body = {"organization_id": str(world.partner_id), "service_type": "legal_aid", **changes}
    return world.post(f"/cases/{case_id}/referrals", body, headers)


def read(world: World, referral_id: str, headers: Any = None) -> Any:
    return world.get(f"/disclosures/{referral_id}", headers or world.partner)


def expire(world: World, consent_id: str, days: int) -> None:
    """Let a consent's last day be so many days from today."""
    with world.house.session("intake") as session:
        session.get_one(Consent, UUID(consent_id)).expires_on = today() + timedelta(days=days)
        session.commit()


def test_a_referral_is_requested_on_a_consent(world: World) -> None:
    world.list_partner()
    case_id = world.register()["id"]
    consent_id = world.consent(case_id, service_type="shelter")["id"]

    answer = ask(world, case_id, service_type="shelter", population="women", needs_bed=True, priority="p1")

    referral = answer.json()
    assert answer.status_code == 201, answer.text
    assert (referral["status"], referral["consent_id"], referral["bed_held"]) == ("requested", consent_id, False)
    assert world.get(f"/cases/{case_id}/referrals").json()["items"] == [referral]
    assert world.told(case_id)[-1] == "referral_requested"


def test_the_request_tells_what_is_needed_and_not_by_whom(world: World) -> None:
    case_id, _, referral_id = world.referred()

    [asked] = world.house.published("intake", ReferralRequested)

    assert (str(asked.referral_id), str(asked.case_id)) == (referral_id, case_id)
    assert (asked.organization_id, asked.service_type, asked.population) == (world.partner_id, "legal_aid", "any")
    assert (asked.province, asked.priority, asked.needs_bed) == ("01", "p2", False)
    assert not any(word in str(asked) for word in PERSONAL)


def test_no_referral_leaves_without_consent_to_this_service_of_this_receiver(world: World) -> None:
    other = world.list_partner(new_id())
    world.list_partner()
    case_id = world.register()["id"]
    world.consent(case_id)

    service = ask(world, case_id, service_type="shelter")
    receiver = ask(world, case_id, organization_id=str(other))
    someone_else = ask(world, world.register()["id"])

    for answer in (service, receiver, someone_else):
        assert (answer.status_code, answer.json()["reason"]) == (409, "no_consent")
    assert world.house.published("intake", ReferralRequested) == []


@pytest.mark.parametrize(("days", "status"), [(0, 201), (-1, 409)])
def test_a_consent_holds_through_its_last_day(world: World, days: int, status: int) -> None:
    world.list_partner()
    case_id = world.register()["id"]
    expire(world, world.consent(case_id)["id"], days)

    assert ask(world, case_id).status_code == status


def test_a_withdrawn_consent_carries_no_referral(world: World) -> None:
    case_id, consent_id, _ = world.referred()
    world.post(f"/consents/{consent_id}/withdraw")

    assert ask(world, case_id).json()["reason"] == "no_consent"


def test_an_inactive_partner_and_a_closed_case_get_no_referral(world: World) -> None:
    case_id, _, _ = world.referred()
    world.list_partner(active=False)
    inactive = ask(world, case_id)
    world.list_partner()
    world.closed(case_id)

    closed = ask(world, case_id)

    assert inactive.json()["errors"][0]["pointer"] == "/organization_id"
    assert (closed.status_code, closed.json()["reason"]) == (409, "case_closed")


def test_other_offices_neither_ask_nor_see(world: World) -> None:
    case_id, _, _ = world.referred()

    assert ask(world, case_id, world.stranger).status_code == 404
    assert world.get(f"/cases/{case_id}/referrals", world.stranger).status_code == 404
    assert world.get(f"/cases/{case_id}/referrals", world.partner).status_code == 403


def test_the_partner_reads_what_was_consented_to_and_nothing_else(world: World) -> None:
    _, _, referral_id = world.referred()

    answer = read(world, referral_id)

    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "referral_id": referral_id,
        "service_type": "legal_aid",
        "fields": ["name", "phone"],
        "name": "Nguyễn Thị Hằng",
        "phone": "+84981848484",
    }
    assert world.reads("referral", referral_id) == ["partner:dao"]


def test_the_partner_reads_everything_where_everything_was_consented_to(world: World) -> None:
    _, _, referral_id = world.referred(fields=FIELDS)

    disclosed = read(world, referral_id).json()

    assert set(disclosed) == {*FIELDS, "referral_id", "service_type", "fields", "document"}
    assert (disclosed["document"], disclosed["document_number"]) == ("cccd", "040 196 012345")
    assert (disclosed["narrative"], disclosed["country"]) == (NARRATIVE, "TW")


def test_what_is_not_known_is_null(world: World) -> None:
    world.list_partner()
    case_id = world.register(person={"name": "Lan"})["id"]
    world.consent(case_id)
    referral_id = world.referral(case_id)["id"]

    assert read(world, referral_id).json()["phone"] is None


def test_withdrawing_shuts_the_disclosure_at_once(world: World) -> None:
    _, consent_id, referral_id = world.referred()
    assert read(world, referral_id).status_code == 200

    world.post(f"/consents/{consent_id}/withdraw")

    after = read(world, referral_id)
    assert after.status_code == 404
    assert not any(word in after.text for word in PERSONAL)


@pytest.mark.parametrize(("days", "status"), [(0, 200), (-1, 404)])
def test_an_expired_consent_shuts_the_disclosure(world: World, days: int, status: int) -> None:
    _, consent_id, referral_id = world.referred()
    expire(world, consent_id, days)

    assert read(world, referral_id).status_code == status


def test_a_referral_that_ended_shuts_the_disclosure(world: World) -> None:
    case_id, _, referral_id = world.referred()
    ids = {"case_id": UUID(case_id), "referral_id": UUID(referral_id)}
    second = world.referral(case_id)["id"]
    world.accept(case_id, referral_id)
    assert read(world, referral_id).status_code == 200

    world.handle(ReferralCompleted(**ids))
    world.handle(ReferralDeclined(case_id=UUID(case_id), referral_id=UUID(second), reason="no_capacity"))

    assert (read(world, referral_id).status_code, read(world, second).status_code) == (404, 404)


def test_a_partner_struck_off_the_directory_reads_nothing(world: World) -> None:
    _, _, referral_id = world.referred()

    world.list_partner(active=False)

    assert read(world, referral_id).status_code == 404


def test_closing_the_case_shuts_the_disclosure(world: World) -> None:
    case_id, _, referral_id = world.referred()

    world.closed(case_id)

    assert read(world, referral_id).status_code == 404
    assert (world.referral_of(case_id)["status"], world.referral_of(case_id)["reason"]) == ("cancelled", "case_closed")


@pytest.mark.parametrize(
    ("role", "org"), [("partner_worker", None), ("partner_manager", "01920000-0000-7000-8000-000000000009")]
)
def test_another_partner_sees_no_such_referral(world: World, role: str, org: str | None) -> None:
    _, _, referral_id = world.referred()

    assert read(world, referral_id, world.token(role, org=org)).status_code == 404
    assert read(world, str(new_id())).status_code == 404


@pytest.mark.parametrize("role", ["osso_officer", "osso_supervisor", "mission_officer", "agency_officer", "analyst"])
def test_a_disclosure_is_for_partners(world: World, role: str) -> None:
    _, _, referral_id = world.referred()

    assert read(world, referral_id, world.token(role)).status_code == 403
