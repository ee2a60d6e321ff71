"""People: found by name or number, and erased on request."""

from collections.abc import Sequence
from uuid import UUID

from sqlmodel import Session, col

from services.intake import access
from services.intake.access import CanErase, CanSearchPeople
from services.intake.actions import forget, hold_person, opened
from services.intake.models import CaseFile, Person
from services.intake.schemas.people import PersonRead, PersonSearch
from shared import people
from shared.access import locked
from shared.audit import record_read
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
    if body.name is not None:
        scopes, before = access.name_scopes(officer), paging.before(session)
        found = people.with_name(session, found, scopes, Person.seq, body.name, before=before)
    if body.document is not None and body.document_number is not None:
        blinds = blinds_of(runtime_of(session).vault, body.document, body.document_number)
        found = found.where(col(Person.number_blind).in_(blinds))
    rows, following = paging.rows(session, found, Person.seq)
    return Page(items=_shown(session, officer, rows), next=following)


@api.post("/people/{person_id}/erase")
def erase_person(person_id: UUID, supervisor: CanErase, session: SessionDep) -> PersonRead:
    """Destroy what opens a person's details, in every case of hers; the cases stay, as figures without a person."""
    hold_person(session, person_id)
    person = locked(session, access.visible_people(supervisor).where(Person.id == person_id))
    if session.exec(access.open_cases_of(person)).first() is not None:
        raise Conflict("open_cases")
    forget(session, person)
    [answer] = _shown(session, supervisor, [person])
    return answer


def _shown(session: Session, reader: Principal, rows: Sequence[Person]) -> list[PersonRead]:
    people.unlock(session, [person.id for person in rows])
    cases = _case_ids(session, reader, rows)
    for person in rows:
        record_read(session, person)
    return [
        PersonRead(
            id=person.id,
            person=opened(session, person),
            erased=person.erased_at is not None,
            case_ids=cases.get(person.id, []),
        )
        for person in rows
    ]


def _case_ids(session: Session, reader: Principal, rows: Sequence[Person]) -> dict[UUID, list[UUID]]:
    """Return the cases of each person that the caller may see."""
    of_them = col(CaseFile.person_id).in_([person.id for person in rows])
    visible = access.visible_cases(reader).where(of_them).with_only_columns(col(CaseFile.person_id), col(CaseFile.id))
    cases: dict[UUID, list[UUID]] = {}
    for person_id, case_id in session.connection().execute(visible):
        cases.setdefault(person_id, []).append(case_id)
    return cases
