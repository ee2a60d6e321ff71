"""What the hotline does when intake tells how a handed-over case goes on."""

from sqlmodel import Session

from services.hotline import access, rules
from services.hotline.models import Progress
from shared.access import locked, one
from shared.chain.witness import witnessed_by
from shared.contracts.intake import CaseClosed, CaseInCare, CaseOpened, CaseReopened
from shared.events import Handlers

CaseNews = CaseOpened | CaseInCare | CaseClosed | CaseReopened


def _note(session: Session, event: CaseNews, progress: Progress, *, reopened: bool = False) -> None:
    """Most cases of intake never were at the hotline: those are no news here.

    What is no news leaves the case unlocked: its version, which a mission sees, moves only with its progress.
    """
    if event.hotline_case_id is None:
        return
    if rules.is_news(one(session, access.case_for(event)), progress, reopened=reopened):
        rules.progressed(locked(session, access.case_for(event)), progress, reopened=reopened)


def mark_opened(session: Session, event: CaseOpened) -> None:
    """A file was opened at an office."""
    _note(session, event, Progress.OPENED)


def mark_in_care(session: Session, event: CaseInCare) -> None:
    """Someone takes care of the person."""
    _note(session, event, Progress.IN_CARE)


def mark_in_care_again(session: Session, event: CaseReopened) -> None:
    """A closed case goes on."""
    _note(session, event, Progress.IN_CARE, reopened=True)


def mark_closed(session: Session, event: CaseClosed) -> None:
    """The case ended."""
    _note(session, event, Progress.CLOSED)


HANDLERS: Handlers = {
    **witnessed_by("hotline"),
    CaseOpened: mark_opened,
    CaseInCare: mark_in_care,
    CaseReopened: mark_in_care_again,
    CaseClosed: mark_closed,
}
