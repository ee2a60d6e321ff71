"""Which rows exist for whom, where no route could show it."""

import pytest

from services.referral import access
from shared.auth import Principal
from shared.permissions import Role
from tests.harness import House
from tests.referral.partners import OWN, Partners

OFFICER = Principal("officer", frozenset({Role.OSSO_OFFICER}), org=OWN)
WORKER = Principal("worker", frozenset({Role.PARTNER_WORKER}), org=OWN)


def seen(house: House, principal: Principal) -> int:
    with house.session("referral") as session:
        return len(session.exec(access.visible_referrals(principal)).all())


def test_an_organization_in_the_token_of_somebody_who_is_no_partner_opens_nothing(
    partners: Partners, house: House
) -> None:
    partners.shelter(beds=1)
    partners.referral()

    assert (seen(house, WORKER), seen(house, OFFICER)) == (1, 0)


@pytest.mark.parametrize("org", [None, "", "everything", f"{OWN} "])
def test_an_organization_that_is_no_id_is_none(org: str | None) -> None:
    assert access.organization_of(Principal("worker", WORKER.roles, org=org)) is None


def test_a_partner_that_is_also_an_officer_keeps_the_directory_of_officers(partners: Partners, house: House) -> None:
    partners.organization()
    both = Principal("both", WORKER.roles | OFFICER.roles, org=None)

    with house.session("referral") as session:
        assert len(session.exec(access.visible_organizations(both)).all()) == 1
        assert session.exec(access.visible_organizations(Principal("worker", WORKER.roles))).all() == []


def test_whatever_a_post_stores_can_be_looked_for_again() -> None:
    assert access.VISIBLE.keys() == {"organization", "service", "referral", "endpoint"}
