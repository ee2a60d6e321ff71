"""Referrals, as partners answer them."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlmodel import col, select

from services.referral.models import BedHold, Capacity
from shared.contracts.intake import ReferralRequested
from shared.contracts.referral import BedReleased, ReferralAccepted, ReferralCompleted, ReferralDeclined
from shared.ids import new_id
from tests.harness import House
from tests.referral.partners import OTHER, OWN, Partners


def test_a_partner_reads_ids_codes_clocks_and_a_link(partners: Partners) -> None:
    service = partners.shelter(beds=1)
    asked = partners.referral()

    answer = partners.get(f"referrals/{asked.referral_id}")

    shown = answer.json()
    assert answer.status_code == 200
    assert answer.headers["etag"] == '"1"'
    assert shown["disclosure_url"] == f"http://127.0.0.1:8000/intake/v1/disclosures/{asked.referral_id}"
    assert (shown["service_id"], shown["status"], shown["priority"]) == (service["id"], "routed", "p1")
    assert "case_id" not in shown
    assert shown["due_at"] > shown["requested_at"]


def test_a_partner_lists_its_own_by_status(partners: Partners) -> None:
    partners.shelter(beds=1)
    asked = [partners.referral() for _ in range(3)]
    partners.answer(asked[1], "accept")

    def listed(query: str, headers: Any = None) -> list[str]:
        return [row["id"] for row in partners.get(f"referrals{query}", headers).json()["items"]]

    ids = [str(event.referral_id) for event in asked]
    assert listed("") == ids[::-1]
    assert listed("?status=accepted") == [ids[1]]
    assert listed("?status=accepted,routed&limit=2") == ids[:0:-1]
    assert listed("", partners.stranger) == []


def test_a_partner_takes_a_referral_on_with_a_bed(partners: Partners, house: House) -> None:
    service = partners.shelter(beds=2)
    asked = partners.referral()

    answer = partners.answer(asked, "accept")

    assert (answer.status_code, answer.json()["status"], answer.headers["etag"]) == (200, "accepted", '"2"')
    assert answer.json()["answered_at"] is not None
    assert partners.stored(asked.referral_id).answered_by == "demo:partner_worker"
    assert partners.beds(service)["available"] == 1
    [accepted] = house.published("referral", ReferralAccepted)
    assert (accepted.referral_id, accepted.case_id) == (asked.referral_id, asked.case_id)
    assert (str(accepted.organization_id), accepted.bed_held) == (OWN, True)


def test_a_referral_without_a_bed_holds_none(partners: Partners, house: House) -> None:
    service = partners.shelter(beds=1)
    asked = partners.referral(needs_bed=False)

    partners.answer(asked, "accept")

    assert partners.beds(service)["available"] == 1
    assert house.published("referral", ReferralAccepted)[0].bed_held is False


def test_no_bed_free_is_a_conflict_and_changes_nothing(partners: Partners, house: House) -> None:
    service = partners.shelter(beds=1)
    first, second = partners.referral(), partners.referral()
    partners.answer(first, "accept")

    answer = partners.answer(second, "accept")

    assert (answer.status_code, answer.json()["reason"]) == (409, "no_bed_free")
    assert partners.stored(second.referral_id).status == "routed"
    assert partners.beds(service)["available"] == 0
    assert len(house.published("referral", ReferralAccepted)) == 1


def test_a_bed_for_anybody_serves_when_the_own_are_taken(partners: Partners) -> None:
    service = partners.shelter(beds=1)
    partners.count(service, 1, population="any")
    asked = [partners.referral() for _ in range(3)]

    answers = [partners.answer(event, "accept").status_code for event in asked]

    assert answers == [200, 200, 409]
    assert partners.beds(service, "any")["available"] == 0


def test_of_fifty_acceptances_at_once_exactly_as_many_succeed_as_there_are_beds(
    partners: Partners, house: House
) -> None:
    service = partners.shelter(beds=5)
    partners.count(service, 2, population="any")
    asked = [partners.referral() for _ in range(50)]

    def accept(event: ReferralRequested) -> int:
        status: int = partners.answer(event, "accept").status_code
        return status

    with ThreadPoolExecutor(50) as crowd:
        answers = list(crowd.map(accept, asked))

    assert sorted(answers) == [200] * 7 + [409] * 43
    with house.session("referral") as session:
        counts = {row.population: (row.held, row.total) for row in session.exec(select(Capacity))}
        holds = session.exec(select(BedHold).where(col(BedHold.released_at).is_(None))).all()
    assert counts == {"women": (5, 5), "any": (2, 2)}
    assert len(holds) == 7
    assert len(house.published("referral", ReferralAccepted)) == 7


def test_a_repeated_key_gives_the_same_answer_and_holds_one_bed(partners: Partners) -> None:
    service = partners.shelter(beds=2)
    asked = partners.referral()
    headers = {**partners.worker, "Idempotency-Key": str(new_id())}

    first = partners.answer(asked, "accept", headers=headers)
    again = partners.answer(asked, "accept", headers=headers)

    assert (again.status_code, again.json()) == (200, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    assert partners.beds(service)["available"] == 1


def test_a_partner_declines_with_a_code(partners: Partners, house: House) -> None:
    partners.shelter(beds=1)
    asked = partners.referral()

    answer = partners.answer(asked, "decline", {"reason": "out_of_area"})
    late = partners.answer(asked, "accept")

    assert (answer.status_code, answer.json()["status"], answer.json()["reason"]) == (200, "declined", "out_of_area")
    assert (late.status_code, late.json()["allowed"]) == (409, [])
    [declined] = house.published("referral", ReferralDeclined)
    assert (declined.referral_id, declined.reason) == (asked.referral_id, "out_of_area")


@pytest.mark.parametrize("body", [{"reason": "she is rude"}, {}, {"reason": "other", "note": "x"}])
def test_a_decline_tells_no_story(partners: Partners, body: dict[str, str]) -> None:
    partners.shelter(beds=1)
    asked = partners.referral()

    assert partners.answer(asked, "decline", body).status_code == 422


def test_a_partner_completes_and_the_bed_is_free_again(partners: Partners, house: House) -> None:
    service = partners.shelter(beds=1)
    asked = partners.referral()
    early = partners.answer(asked, "complete")
    partners.answer(asked, "accept")

    answer = partners.answer(asked, "complete")

    assert early.status_code == 409
    assert (answer.status_code, answer.json()["status"]) == (200, "completed")
    assert partners.beds(service)["available"] == 1
    assert [event.referral_id for event in house.published("referral", ReferralCompleted)] == [asked.referral_id]
    assert [event.referral_id for event in house.published("referral", BedReleased)] == [asked.referral_id]


def test_completing_what_had_no_bed_releases_none(partners: Partners, house: House) -> None:
    partners.shelter(beds=1)
    asked = partners.referral(needs_bed=False)
    partners.answer(asked, "accept")

    partners.answer(asked, "complete")

    assert house.published("referral", BedReleased) == []


@pytest.mark.parametrize("step", ["accept", "decline", "complete"])
def test_for_another_partner_a_referral_does_not_exist(partners: Partners, step: str) -> None:
    partners.organization(OTHER)
    partners.shelter(beds=1)
    asked = partners.referral()

    answer = partners.answer(asked, step, {"reason": "other"} if step == "decline" else None, partners.stranger)

    assert answer.status_code == 404
    assert partners.get(f"referrals/{asked.referral_id}", partners.stranger).status_code == 404
    assert partners.stored(asked.referral_id).status == "routed"


def test_a_token_without_a_proper_organization_sees_nothing(partners: Partners, token: Any) -> None:
    partners.shelter(beds=1)
    partners.referral()

    assert partners.get("referrals", token("partner_worker", org=str(new_id()))).json()["items"] == []


def test_an_organization_that_is_no_longer_active_loses_everything_at_once(partners: Partners) -> None:
    service = partners.shelter(beds=1)
    endpoint = partners.endpoint("http://127.0.0.1:9009/hook")
    asked = partners.referral()
    key = {**partners.worker, "Idempotency-Key": str(new_id())}
    assert partners.answer(asked, "accept", headers=key).status_code == 200

    partners.update(f"organizations/{OWN}", {"active": False})

    assert partners.get(f"referrals/{asked.referral_id}").status_code == 404
    assert partners.answer(asked, "complete").status_code == 404
    assert partners.answer(asked, "accept", headers=key).status_code == 404
    assert partners.count(service, 9).status_code == 404
    for listed in ("referrals", "endpoints", "deliveries", "organizations", "services"):
        assert partners.get(listed, partners.manager).json()["items"] == []
    opening = partners.client.post(
        "/referral/v1/endpoints", json={"url": "http://127.0.0.1:9009/"}, headers=partners.manager
    )
    assert opening.status_code == 404
    closing = partners.client.delete(
        f"/referral/v1/endpoints/{endpoint['id']}", headers={**partners.manager, "If-Match": "*"}
    )
    assert closing.status_code == 404


def test_officers_do_not_answer_and_partners_do_not_edit_the_directory(partners: Partners) -> None:
    partners.shelter(beds=1)
    asked = partners.referral()

    assert partners.answer(asked, "accept", headers=partners.officer).status_code == 403
    assert partners.get("referrals", partners.administrator).status_code == 403
    assert partners.update(f"organizations/{OWN}", {"active": False}, headers=partners.manager).status_code == 403
