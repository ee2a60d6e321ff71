"""Cases: officers register, list, read and correct them."""

from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Response
from fastapi import status as http
from sqlmodel import Session, col

from services.intake import access, rules
from services.intake.access import CanReadCases, CanRegisterCase, CanUpdateCase
from services.intake.actions import NARRATIVE, ask_for_contract, hold_person, opened, take_down, tell
from services.intake.models import CaseContract, CaseFile, CaseStatus, Person, TimelineEntry, Told
from services.intake.schemas.cases import (
    ArticleRead,
    CaseRead,
    CaseRegister,
    CaseSummary,
    CaseUpdate,
    ClockRead,
    ContractRead,
    FilterDay,
    FindingRead,
    RegisteredCase,
    TimelineRead,
)
from shared import codes
from shared.access import answers_with, locked, one
from shared.audit import enter, record_read
from shared.auth import Principal
from shared.contracts.intake import CaseOpened
from shared.contracts.registry import FindingDetails
from shared.edge import SessionDep, router
from shared.errors import Forbidden, InvalidInput, NotFound
from shared.money import Money
from shared.outbox import publish
from shared.paging import SEVERAL, Page, Paging
from shared.people import admit, open_sealed, seal, unlock_one
from shared.person import PersonDetails, StoredPerson, blinds_of
from shared.runtime import runtime_of
from shared.schema import ComplaintCode

api = router("/intake/v1")
StatusFilter = Annotated[list[CaseStatus] | None, SEVERAL, Query()]
DayFilter = Annotated[FilterDay | None, Query()]


@api.post("/cases", status_code=http.HTTP_201_CREATED)
def register_case(
    body: CaseRegister, officer: CanRegisterCase, session: SessionDep, response: Response
) -> RegisteredCase:
    """Take down a case at the caller's office; others with the same document number are a hint, never a block."""
    office = access.desk_of(officer)
    if office is None:
        raise Forbidden(permission="case:register", office=officer.office)
    if body.person is not None:
        person = _new_person(session, office, body.person)
    else:
        person = _known_person(session, officer, body.person_id)
    details = opened(session, person)
    same = _same_number(session, officer, person.id, details)
    case = _new_case(session, office, person, body)
    tell(session, case, Told.CASE_OPENED, channel=case.channel, complaint_types=case.complaint_types)
    publish(session, case, CaseOpened(case_id=case.id, office=case.office, province=case.province))
    ask_for_contract(session, case, details)
    response.headers["Location"] = f"/intake/v1/cases/{case.id}"
    return RegisteredCase(**_file(session, case, person, contract=None), same_number=same)


@api.get("/cases")
def list_cases(
    reader: CanReadCases,
    session: SessionDep,
    paging: Paging,
    *,
    status: StatusFilter = None,
    complaint_type: Annotated[ComplaintCode | None, Query()] = None,
    created_from: DayFilter = None,
    created_to: DayFilter = None,
) -> Page[CaseSummary]:
    """List the cases the caller may see, newest first; both days are days of Viet Nam, and belong to the period."""
    cases = access.visible_cases(reader)
    if status is not None:
        cases = cases.where(col(CaseFile.status).in_(status))
    if complaint_type is not None:
        cases = cases.where(col(CaseFile.complaint_types).contains([complaint_type]))
    if created_from is not None:
        cases = cases.where(CaseFile.created_at >= rules.start_of(created_from))
    if created_to is not None:
        cases = cases.where(CaseFile.created_at < rules.start_of(created_to + timedelta(days=1)))
    return paging.page(session, cases, CaseFile.seq, CaseSummary)


@api.get("/cases/{case_id}")
def read_case(case_id: UUID, reader: CanReadCases, session: SessionDep) -> CaseRead:
    """Read one case with whom it is about, its findings and its clocks; the reading is recorded."""
    return shown(session, reader, case_id)


@api.patch("/cases/{case_id}")
def update_case(case_id: UUID, body: CaseUpdate, officer: CanUpdateCase, session: SessionDep) -> CaseRead:
    """Correct how urgent a case is, what it is about, or against whom it is."""
    case = locked(session, access.visible_cases(officer).where(CaseFile.id == case_id))
    rules.refuse_closed(case)
    changes = body.model_dump(exclude_none=True)
    case.sqlmodel_update(changes)
    tell(session, case, Told.CASE_UPDATED, fields=sorted(changes))
    return shown(session, officer, case.id)


@api.get("/cases/{case_id}/timeline")
def read_timeline(case_id: UUID, reader: CanReadCases, session: SessionDep, paging: Paging) -> Page[TimelineRead]:
    """List what happened in a case, newest first: codes, ids and numbers."""
    one(session, access.visible_cases(reader).where(CaseFile.id == case_id))
    steps = access.visible_timeline(reader).where(TimelineEntry.case_id == case_id)
    return paging.page(session, steps, TimelineEntry.seq, TimelineRead)


def shown(session: Session, reader: Principal, case_id: UUID) -> CaseRead:
    """Return a visible case with everything its officer works with, or raise `NotFound`; the reading is recorded."""
    found = session.exec(access.visible_file(reader), params={"case_id": case_id}).one_or_none()
    if found is None:
        raise NotFound
    case, person, contract, wrapped = found
    unlock_one(session, person.id, wrapped)
    return CaseRead(**_file(session, answers_with(session, case), person, contract))


def _file(session: Session, case: CaseFile, person: Person, contract: CaseContract | None) -> dict[str, Any]:
    """Return the fields of `CaseRead`: those of the row, and what is opened, derived and looked up for it."""
    record_read(session, case)
    return {
        **{name: getattr(case, name) for name in CaseRead.model_fields.keys() & CaseFile.model_fields.keys()},
        "person": opened(session, person),
        "erased": person.erased_at is not None,
        "narrative": open_sealed(session, person.id, NARRATIVE, case.narrative),
        "contract": _contract(case, contract) if contract else None,
        "clocks": [ClockRead.model_validate(clock) for clock in rules.clocks_of(case)],
        "compensation": _money(case),
    }


def _known_person(session: Session, officer: Principal, person_id: UUID | None) -> Person:
    """Return a person the office knows; she cannot be erased while this transaction lasts."""
    hold_person(session, person_id)
    person = session.exec(access.visible_people(officer).where(Person.id == person_id)).one_or_none()
    if person is None:
        raise InvalidInput.at("/person_id", "unknown", "một người văn phòng đã biết", "a person the office knows")
    return person


def _new_person(session: Session, office: codes.Office, details: PersonDetails) -> Person:
    person = enter(session, Person, office=office.code, province=office.province)
    admit(session, person.id)
    take_down(session, person, details)
    return person


def _new_case(session: Session, office: codes.Office, person: Person, body: CaseRegister) -> CaseFile:
    case = enter(
        session,
        CaseFile,
        person_id=person.id,
        office=office.code,
        province=office.province,
        narrative=seal(session, person.id, NARRATIVE, body.narrative),
        **body.model_dump(exclude={"person", "person_id", "narrative"}),
    )
    return answers_with(session, case)


def _same_number(session: Session, officer: Principal, person_id: UUID, details: StoredPerson | None) -> list[UUID]:
    if details is None or details.document is None or details.document_number is None:
        return []
    blinds = blinds_of(runtime_of(session).vault, details.document, details.document_number)
    others = {"blinds": blinds, "person_id": person_id}
    return list(session.connection().execute(access.visible_namesakes(officer), others).scalars())


def _contract(case: CaseFile, contract: CaseContract) -> ContractRead:
    return ContractRead.model_validate(
        {
            **contract.model_dump(include={"agency_name", "market", "job", "months", "signed_on", "costs"}),
            "contract_id": case.contract_id,
            "agency_id": case.agency_id,
            "monthly_wage": Money(amount=contract.wage_amount, currency=contract.wage_currency),
            "findings": [_finding(FindingDetails.model_validate(finding)) for finding in contract.findings],
        }
    )


def _finding(finding: FindingDetails) -> FindingRead:
    article = codes.article_7.get(f"7.{finding.clause}")
    return FindingRead(
        **finding.model_dump(exclude={"clause"}), article=ArticleRead.model_validate(article) if article else None
    )


def _money(case: CaseFile) -> Money | None:
    if case.compensation_amount is None or case.compensation_currency is None:
        return None
    return Money(amount=case.compensation_amount, currency=case.compensation_currency)
