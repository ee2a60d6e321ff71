"""What of the hotline hangs on its keys: data keys alone; nobody is searched here."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Session

from services.hotline import access
from shared import people
from shared.keys import KIT, Dependent


def erase_again(session: Session, person_id: UUID, at: datetime) -> None:
    """Apply an erasure of the ledger to what was restored; whoever is not there cannot come later either."""
    people.erase(session, person_id, at)
    for case in session.exec(access.cases_about(person_id)).all():
        case.caller = case.narrative = case.triage_reason = case.content_mac = None


KEYS: tuple[Dependent, ...] = KIT
