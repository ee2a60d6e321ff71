"""Which rows exist for whom, down to tokens that lack what their role needs."""

import pytest
from sqlmodel import select

from services.intake import access
from services.intake.access import VISIBLE
from services.intake.models import CaseFile, Partner, Referral, metadata
from shared.auth import Principal
from shared.ids import new_id
from shared.permissions import ROLE_PERMISSIONS, Role
from tests.harness import House
from tests.intake.world import World


def who(*roles: Role, **scope: str) -> Principal:
    permissions = frozenset().union(*(ROLE_PERMISSIONS[role] for role in roles))
    return Principal(subject="someone", roles=frozenset(roles), permissions=permissions, **scope)


OFFICER = who(Role.OSSO_OFFICER, office="osso-ha-noi", province="01")
SUPERVISOR = who(Role.OSSO_SUPERVISOR, office="osso-hai-phong", province="31")
NOBODY = [
    who(),
    who(Role.OSSO_OFFICER),
    who(Role.MRC_COUNSELLOR, province="01"),
    who(Role.OSSO_SUPERVISOR),
    who(Role.OSSO_SUPERVISOR, office="osso-ha-noi"),
    who(Role.HOTLINE_OPERATOR, office="osso-ha-noi", province="01"),
    who(Role.MISSION_OFFICER, country="TW"),
    who(Role.PARTNER_WORKER, org=str(new_id())),
    who(Role.ANALYST, province="01"),
    who(Role.SERVICE),
]


@pytest.mark.parametrize("principal", NOBODY)
@pytest.mark.parametrize("table", sorted(VISIBLE))
def test_no_row_exists_for_a_token_without_role_or_scope(world: World, principal: Principal, table: str) -> None:
    world.referred()

    with world.house.session("intake") as session:
        assert session.exec(VISIBLE[table](principal)).all() == []


def test_a_supervisor_sees_every_office_of_her_province(world: World) -> None:
    for office in ("osso-hai-phong", "osso-hai-duong", "osso-ha-noi"):
        world.register(headers=world.token("osso_officer", office=office))

    with world.house.session("intake") as session:
        offices = {case.office for case in session.exec(access.visible_cases(SUPERVISOR))}
        people = {person.office for person in session.exec(access.visible_people(SUPERVISOR))}

    assert offices == people == {"osso-hai-phong", "osso-hai-duong"}


@pytest.mark.parametrize(
    ("principal", "office"),
    [
        (OFFICER, "osso-ha-noi"),
        (who(Role.OSSO_OFFICER, office="osso-hai-duong"), "osso-hai-duong"),
        (SUPERVISOR, "osso-hai-phong"),
        (who(Role.OSSO_SUPERVISOR, office="osso-ha-noi", province="31"), None),
        (who(Role.OSSO_SUPERVISOR, office="osso-ha-noi"), None),
        (who(Role.OSSO_OFFICER, office="no-such-office"), None),
        (who(Role.OSSO_OFFICER), None),
    ],
)
def test_a_case_is_opened_only_where_its_officer_will_see_it(principal: Principal, office: str | None) -> None:
    desk = access.desk_of(principal)

    assert (desk.code if desk else None) == office


@pytest.mark.parametrize(
    ("principal", "scopes"),
    [
        (OFFICER, {"01"}),
        (who(Role.OSSO_OFFICER, office="osso-hai-duong"), {"31"}),
        (who(Role.OSSO_SUPERVISOR, province="31"), {"31"}),
        (who(Role.OSSO_OFFICER, office="no-such-office"), set()),
    ],
)
def test_names_are_sought_in_the_provinces_of_the_caller(principal: Principal, scopes: set[str]) -> None:
    assert set(access.name_scopes(principal)) == scopes


@pytest.mark.parametrize("org", [None, "legal-aid", "", "' OR true"])
def test_a_partner_whose_token_names_no_organisation_is_shown_nothing(world: World, org: str | None) -> None:
    world.referred()
    partner = who(Role.PARTNER_WORKER, **({} if org is None else {"org": org}))

    with world.house.session("intake") as session:
        assert session.exec(access.visible_disclosures(partner)).all() == []


def test_partners_are_chosen_by_case_workers_among_the_active(world: World) -> None:
    active, inactive = world.list_partner(), world.list_partner(new_id(), active=False)

    with world.house.session("intake") as session:
        chosen = [partner.id for partner in session.exec(access.visible_partners(OFFICER))]
        others = session.exec(access.visible_partners(who(Role.ANALYST))).all()
        stored = {partner.id for partner in session.exec(select(Partner))}

    assert (chosen, others) == ([active], [])
    assert stored == {active, inactive}


def test_every_table_that_a_request_stores_or_locks_first_can_be_looked_up_for_a_replay(house: House) -> None:
    house.client("intake")

    assert set(VISIBLE) <= set(metadata.tables)
    assert {CaseFile.__tablename__, Referral.__tablename__} <= set(VISIBLE)
