"""What of intake hangs on its keys: data keys, the names and numbers people are found by, and what the registry was asked."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import func, select
from sqlmodel import Session, col

from services.intake.access import news
from services.intake.actions import DETAILS, ask_for_contract, forget, opened
from services.intake.models import CaseFile, Person
from shared import people
from shared.keys import KIT, Dependent, IndexedPeople, Kind
from shared.runtime import runtime_of


class AskedLinks:
    """Cases whose contract the registry has not found yet: it knows their people by a pseudonym alone, so they ask anew."""

    kind: ClassVar[Kind] = Kind.LINK
    what = "cases that wait for a contract under this pseudonym"

    def counts(self, session: Session) -> dict[str, int]:
        """Count the waiting cases by the link key they asked under."""
        key_id = func.coalesce(CaseFile.asked_under, "")
        counted = select(key_id, func.count()).where(*news.waits_for_contract()).group_by(key_id)
        return {row[0]: row[1] for row in session.connection().execute(counted)}

    def due(self, session: Session, after: UUID | None, limit: int) -> Sequence[UUID]:
        """Return the waiting cases that asked under another key."""
        cases = news.cases_asked_otherwise(_current(session)).limit(limit).with_only_columns(col(CaseFile.id))
        further = cases if after is None else cases.where(col(CaseFile.id) > after)
        return session.connection().execute(further).scalars().all()

    def move(self, session: Session, ids: Sequence[UUID]) -> None:
        """Ask the registry again under the current pseudonym; the answer is as before, or better."""
        waiting = news.cases_asked_otherwise(_current(session)).where(col(CaseFile.id).in_(ids))
        for case in session.exec(waiting.with_for_update(key_share=True)).all():
            case.version += 1
            ask_for_contract(session, case, opened(session, session.exec(news.person_for(case)).one()))

    def opens(self, _session: Session, _key_id: str) -> bool:
        """Leave the trial to the registry, which holds pseudonyms to compare with."""
        return True


def _current(session: Session) -> str:
    return next(iter(runtime_of(session).vault.link_keys))


def erase_again(session: Session, person_id: UUID, at: datetime) -> None:
    """Apply an erasure of the ledger to what was restored; whoever is not there cannot come later either."""
    person = session.get(Person, person_id, with_for_update={"key_share": True})
    if person is None:
        people.erase(session, person_id, at)
    else:
        forget(session, person, at)


KEYS: tuple[Dependent, ...] = (
    *KIT,
    IndexedPeople("people found by name or number", Person, DETAILS, lambda person: person.province),
    AskedLinks(),
)
