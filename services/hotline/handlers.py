"""What the hotline does when intake tells how a handed-over case goes on."""

from sqlmodel import Session

from services.hotline import access, rules
from services.hotline.models import Progress
from shared.access import locked
from shared.contracts.intake import CaseClosed, CaseInCare, CaseOpened, CaseReopened
from shared.events import Handlers

CaseNews = CaseOpened | CaseInCare | CaseClosed | CaseReopened


def _note(session: Session, event: CaseNews, progress: Progress) -> None:
    """Most cases of intake never were at the hotline: those are no news here."""
    if event.hotline_case_id is not None:
        rules.progressed(locked(session, access.case_for(event)), progress)


def mark_opened(session: Session, event: CaseOpened) -> None:
    """A file was opened at an office."""
    _note(session, event, Progress.OPENED)


def mark_in_care(session: Session, event: CaseInCare) -> None:
    """Someone takes care of the person."""
    _note(session, event, Progress.IN_CARE)


def mark_in_care_again(session: Session, event: CaseReopened) -> None:
    """A closed case goes on."""
    _note(session, event, Progress.IN_CARE)


def mark_closed(session: Session, event: CaseClosed) -> None:
    """The case ended."""
    _note(session, event, Progress.CLOSED)


HANDLERS: Handlers = {
    CaseOpened: mark_opened,
    CaseInCare: mark_in_care,
    CaseReopened: mark_in_care_again,
    CaseClosed: mark_closed,
}
