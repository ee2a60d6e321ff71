"""Who may do what at the hotline, and which rows exist for them; every read starts here."""

from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import false
from sqlmodel import select
from sqlmodel.sql.expression import SelectOfScalar

from services.hotline.models import CaseStatus, HotlineCase
from shared.access import kept
from shared.auth import Principal, requires
from shared.contracts.intake import CaseClosed, CaseInCare, CaseOpened, CaseReopened
from shared.permissions import Permission, Role

CanFetchHandOver = Annotated[Principal, requires(Permission.HANDOVER_FETCH)]
CanHandOver = Annotated[Principal, requires(Permission.HOTLINE_CASE_HAND_OVER)]
CanPostCase = Annotated[Principal, requires(Permission.HOTLINE_CASE_POST)]
CanReadCases = Annotated[Principal, requires(Permission.HOTLINE_CASE_READ)]
CanTriage = Annotated[Principal, requires(Permission.HOTLINE_CASE_TRIAGE)]

FETCHERS = frozenset({"intake"})
"""Services that hand-overs are made to."""


def posts_for(principal: Principal, country: str) -> bool:
    """Say whether the caller may post a case of this country: an operator any, a mission officer its own alone."""
    return principal.has(Role.HOTLINE_OPERATOR) or _country_of(principal) == country


def sees_office(principal: Principal) -> bool:
    """Say whether the caller may know which office took a case on: a mission learns how far it went, never where."""
    return principal.has(Role.HOTLINE_OPERATOR)


def mission_of(principal: Principal) -> str:
    """Return whose references these are: the mission's, by its country and its organisation if it has one, else the hotline's.

    The country is part of it because a mission sees the cases of its country alone: one organisation may have several.
    """
    country = _country_of(principal)
    own = [part for part in (country, principal.org) if part]
    return "/".join(own) if country else "hotline"


@kept
def visible_cases(principal: Principal) -> SelectOfScalar[HotlineCase]:
    """Operators see every case, a mission those of its country; nothing else exists."""
    cases = select(HotlineCase)
    if principal.has(Role.HOTLINE_OPERATOR):
        return cases
    country = _country_of(principal)
    return cases.where(HotlineCase.country == country) if country else cases.where(false())


@kept
def visible_hand_overs(principal: Principal) -> SelectOfScalar[HotlineCase]:
    """A service sees only cases that were handed over to it."""
    cases = select(HotlineCase).where(HotlineCase.status == CaseStatus.HANDED_OVER)
    return cases if principal.client in FETCHERS else cases.where(false())


def is_posted_as(mission: str, reference: str) -> tuple[Any, Any]:
    """Return the conditions that a case bears this mission's reference."""
    return HotlineCase.mission == mission, HotlineCase.reference == reference


def cases_about(person_id: UUID) -> SelectOfScalar[HotlineCase]:
    """Return, locked, the cases of a caller whom the ledger of erasures names."""
    return select(HotlineCase).where(HotlineCase.caller_id == person_id).with_for_update(key_share=True)


def case_for(event: CaseOpened | CaseInCare | CaseClosed | CaseReopened) -> SelectOfScalar[HotlineCase]:
    """Return the handed-over case that intake's event is about."""
    return select(HotlineCase).where(HotlineCase.id == event.hotline_case_id)


def _country_of(principal: Principal) -> str | None:
    """Return the country of a mission's officer; None for everyone else, and for a token that names none."""
    return principal.country if principal.has(Role.MISSION_OFFICER) else None


VISIBLE: dict[str, Any] = {"hotline_case": visible_cases}
