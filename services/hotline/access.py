"""Who may do what at the hotline, and which rows exist for them; every read starts here."""

from typing import Annotated, Any

from sqlalchemy import false
from sqlmodel import select
from sqlmodel.sql.expression import SelectOfScalar

from services.hotline.models import CaseStatus, HotlineCase
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


def mission_of(principal: Principal) -> str:
    """Return whose references these are: the caller's organisation, else the country of the mission, else the hotline."""
    return principal.org or principal.country or "hotline"


def visible_cases(principal: Principal) -> SelectOfScalar[HotlineCase]:
    """Operators see every case, a mission those of its country; nothing else exists."""
    cases = select(HotlineCase)
    if principal.has(Role.HOTLINE_OPERATOR):
        return cases
    if principal.has(Role.MISSION_OFFICER) and principal.country:
        return cases.where(HotlineCase.country == principal.country)
    return cases.where(false())


def visible_hand_overs(principal: Principal) -> SelectOfScalar[HotlineCase]:
    """A service sees only cases that were handed over to it."""
    cases = select(HotlineCase).where(HotlineCase.status == CaseStatus.HANDED_OVER)
    return cases if principal.client in FETCHERS else cases.where(false())


def is_posted_as(mission: str, reference: str) -> tuple[Any, Any]:
    """Return the conditions that a case bears this mission's reference."""
    return HotlineCase.mission == mission, HotlineCase.reference == reference


def case_for(event: CaseOpened | CaseInCare | CaseClosed | CaseReopened) -> SelectOfScalar[HotlineCase]:
    """Return the handed-over case that intake's event is about."""
    return select(HotlineCase).where(HotlineCase.id == event.hotline_case_id)


VISIBLE: dict[str, Any] = {"hotline_case": visible_cases}
