"""People: found by name or number, and erased on request."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func
from sqlmodel import Session, col

from services.intake import access
from services.intake.access import CanErase, CanSearchPeople
from services.intake.actions import forget, hold_person, opened
from services.intake.models import CaseFile, Person
from services.intake.schemas.people import PersonRead, PersonSearch
from shared import people
from shared.access import kept, locked
from shared.audit import record_reads
from shared.auth import STORES_NOTHING, Principal
from shared.edge import SessionDep, router
from shared.errors import Conflict
from shared.paging import Page, Paging
from shared.person import blinds_of
from shared.runtime import runtime_of

api = router("/intake/v1")


@api.post("/people/search", openapi_extra=STORES_NOTHING)
def search_people(
    body: PersonSearch, officer: CanSearchPeople, session: SessionDep, paging: Paging
) -> Page[PersonRead]:
    """Find people by name, by exact number, or by both; send the same body to `next`. The reading is recorded."""
    found = access.visible_people(officer)
    values: dict[str, Any] = {}
    if body.name is not None:
        scopes = access.name_scopes(officer)
        found, values = people.with_name(session, found, scopes, Person.seq, body.name, before=paging.before)
    if body.document is not None and body.document_number is not None:
        blinds = blinds_of(runtime_of(session).vault, body.document, body.document_number)
        found = found.where(col(Person.number_blind).in_(blinds))
    rows, following = paging.columns(session, found, Person.seq, *_file_of(officer), values=values)
    return Page(items=_shown(session, rows), next=following)


@api.post("/people/{person_id}/erase")
def erase_person(person_id: UUID, supervisor: CanErase, session: SessionDep) -> PersonRead:
    """Destroy what opens a person's details, in every case of hers; the cases stay, as figures without a person."""
    hold_person(session, person_id)
    person = locked(session, access.visible_people(supervisor).where(Person.id == person_id))
    if session.exec(access.open_cases_of(person)).first() is not None:
        raise Conflict("open_cases")
    forget(session, person)
    session.flush()
    told = access.visible_people(supervisor).where(Person.id == person_id).with_only_columns(*_file_of(supervisor))
    [answer] = _shown(session, session.connection().execute(told).all())
    return answer


@kept
def _file_of(reader: Principal) -> tuple[Any, ...]:
    """Return the columns of a person that `_shown` takes: with what opens her details, and her cases the caller may see."""
    cases = access.visible_cases(reader).where(col(CaseFile.person_id) == Person.id).order_by(col(CaseFile.seq))
    case_ids = func.array(cases.with_only_columns(col(CaseFile.id)).correlate(Person).scalar_subquery())
    key = people.key_of(Person.id).label("key")
    return Person.id, Person.details, Person.erased_at, case_ids.label("case_ids"), key


def _shown(session: Session, rows: Sequence[Any]) -> list[PersonRead]:
    record_reads(session, Person, [row.id for row in rows])
    for row in rows:
        people.unlock_one(session, row.id, row.key)
    return [
        PersonRead(id=row.id, person=opened(session, row), erased=row.erased_at is not None, case_ids=row.case_ids)
        for row in rows
    ]
