"""The directory, as administrators keep it and everybody else reads it, and the beds that managers count."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from services.referral.models import Capacity
from shared.clock import now
from shared.contracts.referral import OrganizationListed
from shared.ids import new_id
from tests.harness import House
from tests.referral.partners import OTHER, OWN, SHELTER, Partners


def test_an_administrator_lists_an_organization_and_the_house_is_told(partners: Partners, house: House) -> None:
    body = {
        "name": "Nhà Bình Yên",
        "email": "help@example.org",
        "phone": "1900 969 680",
        "website": "https://example.org",
    }

    answer = partners.client.post("/referral/v1/organizations", json=body, headers=partners.administrator)

    assert answer.status_code == 201
    assert answer.headers["etag"] == '"1"'
    made = answer.json()
    assert answer.headers["location"] == f"/referral/v1/organizations/{made['id']}"
    assert made == {**body, "id": made["id"], "active": True, "version": 1}
    [listed] = house.published("referral", OrganizationListed)
    assert (str(listed.organization_id), listed.active) == (made["id"], True)


def test_an_organization_keeps_the_id_that_its_tokens_carry_and_is_listed_once(partners: Partners) -> None:
    made = partners.organization(OWN)
    again = partners.client.post(
        "/referral/v1/organizations", json={"id": OWN, "name": "Khác"}, headers=partners.administrator
    )

    assert made["id"] == OWN
    assert (again.status_code, again.json()["reason"]) == (409, "organization_listed")


@pytest.mark.parametrize("contact", [{"email": "none"}, {"phone": "gọi"}, {"website": "ftp://x"}, {"name": ""}])
def test_a_malformed_contact_is_refused(partners: Partners, contact: dict[str, str]) -> None:
    answer = partners.client.post(
        "/referral/v1/organizations", json={"name": "Nhà", **contact}, headers=partners.administrator
    )

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == f"/{next(iter(contact))}"


def test_an_update_changes_what_is_sent_and_tells_only_of_activity(partners: Partners, house: House) -> None:
    partners.organization(email="a@example.org", phone="0900")

    contacts = partners.update(f"organizations/{OWN}", {"email": None, "phone": "0911"}, '"1"')
    stopped = partners.update(f"organizations/{OWN}", {"active": False}, '"2"')

    assert (contacts.json()["email"], contacts.json()["phone"]) == (None, "0911")
    assert (stopped.json()["active"], stopped.headers["etag"]) == (False, '"3"')
    assert [event.active for event in house.published("referral", OrganizationListed)] == [True, False]


def test_a_stale_update_is_refused(partners: Partners) -> None:
    partners.organization()
    partners.update(f"organizations/{OWN}", {"name": "Mới"}, '"1"')

    answer = partners.update(f"organizations/{OWN}", {"name": "Cũ"}, '"1"')

    assert answer.status_code == 412


@pytest.mark.parametrize("body", [{"active": None}, {"name": None}, {"service": 1}])
def test_an_update_cannot_empty_what_must_be_there(partners: Partners, body: dict[str, Any]) -> None:
    partners.organization()

    assert partners.update(f"organizations/{OWN}", body).status_code == 422


def test_only_administrators_see_what_is_not_active(partners: Partners) -> None:
    partners.organization()
    partners.organization(OTHER, active=False)
    partners.service(name="đang nghỉ", active=False)
    hidden = partners.service(OTHER)
    shown = partners.service()

    for reader in (partners.officer, partners.worker):
        assert [row["id"] for row in partners.get("organizations", reader).json()["items"]] == [OWN]
        assert [row["id"] for row in partners.get("services", reader).json()["items"]] == [shown["id"]]
        assert partners.get(f"services/{hidden['id']}", reader).status_code == 404
    assert len(partners.get("organizations", partners.administrator).json()["items"]) == 2
    assert len(partners.get("services", partners.administrator).json()["items"]) == 3


def test_a_service_belongs_to_an_organization_that_exists(partners: Partners) -> None:
    answer = partners.client.post(
        f"/referral/v1/organizations/{new_id()}/services", json=SHELTER, headers=partners.administrator
    )

    assert answer.status_code == 404


def test_services_are_found_by_type_province_and_population(partners: Partners) -> None:
    partners.organization()
    here = partners.service(provinces=["40", "01", "01"])["id"]
    everywhere = partners.service(provinces=[], populations=["any"])["id"]
    elsewhere = partners.service(provinces=["79"], populations=["children", "families"])["id"]
    legal_aid = partners.service(service_type="legal_aid", provinces=[], populations=["women"])["id"]

    def found(query: str) -> list[str]:
        return [row["id"] for row in partners.get(f"services?{query}", partners.officer).json()["items"]]

    assert found("service_type=shelter") == [elsewhere, everywhere, here]
    assert found("service_type=shelter,legal_aid&province=01") == [legal_aid, everywhere, here]
    assert found("population=families") == [elsewhere, everywhere]
    assert found("province=40&population=women&service_type=shelter") == [everywhere, here]
    assert partners.get("services?province=99", partners.officer).status_code == 422
    assert partners.get(f"services/{here}", partners.officer).json()["provinces"] == ["01", "40"]


def test_a_service_is_changed_with_its_beds_in_the_answer(partners: Partners) -> None:
    service = partners.shelter(beds=3)

    answer = partners.update(
        f"services/{service['id']}", {"populations": ["women", "children"], "provinces": []}, '"1"'
    )

    assert answer.json()["populations"] == ["children", "women"]
    assert answer.json()["provinces"] == []
    assert answer.json()["capacities"][0]["available"] == 3


def test_a_manager_counts_beds_and_officers_see_what_is_free(partners: Partners) -> None:
    partners.organization()
    service = partners.service()

    first = partners.count(service, 4)
    second = partners.count(service, 6, if_match=first.headers["etag"])
    stale = partners.count(service, 9, if_match=first.headers["etag"])

    assert (first.status_code, second.status_code, stale.status_code) == (201, 200, 412)
    assert (second.json()["maximum"], second.json()["held"], second.headers["etag"]) == (6, 0, '"2"')
    assert (partners.beds(service)["available"], partners.beds(service)["maximum"]) == (6, 6)


def test_the_first_count_has_no_etag_yet(partners: Partners) -> None:
    partners.organization()
    service = partners.service()

    assert partners.count(service, 4, if_match='"1"').status_code == 412


@pytest.mark.parametrize("total", [-1, 10_001, "three", None])
def test_a_count_is_a_number_of_beds(partners: Partners, total: Any) -> None:
    partners.organization()
    service = partners.service()

    assert partners.count(service, total).status_code == 422


def test_a_count_below_what_is_held_is_refused(partners: Partners) -> None:
    service = partners.shelter(beds=2)
    partners.answer(partners.referral(), "accept")

    refused = partners.count(service, 0)
    enough = partners.count(service, 1)

    assert (refused.status_code, refused.json()["reason"], refused.json()["held"]) == (409, "below_held", 1)
    assert (enough.status_code, partners.beds(service)["available"]) == (200, 0)


def test_a_manager_counts_no_beds_of_others(partners: Partners) -> None:
    partners.organization()
    partners.organization(OTHER)
    service = partners.service()

    assert partners.count(service, 4, headers=partners.stranger).status_code == 404
    assert partners.count(service, 4, headers=partners.worker).status_code == 403


def test_a_count_older_than_a_day_is_shown_as_unknown(partners: Partners, house: House) -> None:
    service = partners.shelter(beds=4)
    with house.session("referral") as session:
        capacity = session.exec(select(Capacity)).one()
        capacity.counted_at = now() - timedelta(hours=25)
        session.commit()

    unknown = partners.beds(service)
    partners.count(service, 4, if_match=f'"{unknown["version"]}"')

    assert (unknown["available"], unknown["maximum"]) == (None, 4)
    assert partners.beds(service)["available"] == 4


def test_a_page_of_organizations_leads_to_the_next(partners: Partners) -> None:
    made = [partners.organization(str(new_id()))["id"] for _ in range(3)]

    first = partners.get("organizations?limit=2", partners.officer).json()
    second = partners.client.get(first["next"], headers=partners.officer).json()

    assert [row["id"] for row in first["items"] + second["items"]] == made[::-1]
    assert second["next"] is None
