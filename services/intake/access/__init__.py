"""Who may do what in intake, and which rows exist for them; every read starts here."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, LargeBinary, any_, bindparam, false, func, or_, true
from sqlmodel import col, select
from sqlmodel.sql.expression import Select, SelectOfScalar

from services.intake.models import (
    OPEN,
    CaseContract,
    CaseFile,
    CaseStatus,
    Consent,
    Partner,
    Person,
    Purpose,
    Referral,
    Screening,
    Task,
    TaskStatus,
    TimelineEntry,
)
from shared import codes
from shared.access import kept
from shared.auth import Principal, requires
from shared.clock import today
from shared.contracts.referral import ServiceType
from shared.metrics import Figure
from shared.people import key_of
from shared.permissions import Permission, Role

CanCloseCase = Annotated[Principal, requires(Permission.CASE_CLOSE)]
CanConfirmCase = Annotated[Principal, requires(Permission.CASE_CONFIRM)]
CanErase = Annotated[Principal, requires(Permission.PERSON_ERASE)]
CanReadCases = Annotated[Principal, requires(Permission.CASE_READ)]
CanReadDisclosures = Annotated[Principal, requires(Permission.DISCLOSURE_READ)]
CanReadFigures = Annotated[Principal, requires(Permission.FIGURES_READ)]
CanReadTasks = Annotated[Principal, requires(Permission.TASK_READ)]
CanRecordConsent = Annotated[Principal, requires(Permission.CONSENT_RECORD)]
CanRegisterCase = Annotated[Principal, requires(Permission.CASE_REGISTER)]
CanRequestReferral = Annotated[Principal, requires(Permission.REFERRAL_REQUEST)]
CanResolveCase = Annotated[Principal, requires(Permission.CASE_RESOLVE)]
CanReview = Annotated[Principal, requires(Permission.TASK_REVIEW)]
CanScreen = Annotated[Principal, requires(Permission.SCREENING_RECORD)]
CanSearchPeople = Annotated[Principal, requires(Permission.PERSON_SEARCH)]
CanUpdateCase = Annotated[Principal, requires(Permission.CASE_UPDATE)]
CanWithdrawConsent = Annotated[Principal, requires(Permission.CONSENT_WITHDRAW)]


def desk_of(principal: Principal) -> codes.Office | None:
    """Return the office at which the caller opens cases: the token's, if it is listed and the caller sees its cases."""
    office = codes.offices.get(principal.office) if principal.office else None
    if office and principal.has(Role.OSSO_SUPERVISOR) and principal.province != office.province:
        return None
    return office


def _within(principal: Principal, table: type[CaseFile | Person]) -> ColumnElement[bool]:
    """Supervisors see the offices of their province, officers and counsellors their own office; nobody else sees anyone."""
    if principal.has(Role.OSSO_SUPERVISOR) and principal.province:
        return col(table.province) == principal.province
    if (principal.has(Role.OSSO_OFFICER) or principal.has(Role.MRC_COUNSELLOR)) and principal.office:
        return col(table.office) == principal.office
    return false()


@kept
def visible_cases(principal: Principal) -> SelectOfScalar[CaseFile]:
    """Cases of the caller's office, or province."""
    return select(CaseFile).where(_within(principal, CaseFile))


@kept
def visible_people(principal: Principal) -> SelectOfScalar[Person]:
    """People whom the caller's office, or an office of the province, took down."""
    return select(Person).where(_within(principal, Person))


@kept
def visible_namesakes(principal: Principal) -> Any:
    """Return the ids of visible people other than `person_id` whose document number is one of `blinds`."""
    blinds: Any = bindparam("blinds", type_=ARRAY(LargeBinary))
    same = col(Person.number_blind) == any_(blinds)
    others = visible_people(principal).where(same, col(Person.id) != bindparam("person_id"))
    return others.with_only_columns(col(Person.id))


def visible_person_of(principal: Principal, case_id: UUID) -> SelectOfScalar[Person]:
    """Whoever sees a case sees whom it is about."""
    of_case = col(CaseFile.person_id) == Person.id
    return select(Person).join(CaseFile, of_case).where(_within(principal, CaseFile), CaseFile.id == case_id)


@kept
def visible_file(principal: Principal) -> Any:
    """Whoever sees a case sees whom it is about, what opens her details, and her contract once the registry has told it.

    Of which case is told when it is executed: `case_id`.
    """
    return (
        select(CaseFile, Person, CaseContract)
        .join(Person, col(CaseFile.person_id) == Person.id)
        .join(CaseContract, col(CaseContract.case_id) == CaseFile.id, isouter=True)
        .add_columns(key_of(Person.id))
        .where(_within(principal, CaseFile), col(CaseFile.id) == bindparam("case_id"))
    )


@kept
def visible_timeline(principal: Principal) -> SelectOfScalar[TimelineEntry]:
    """Steps of visible cases."""
    return select(TimelineEntry).join(CaseFile).where(_within(principal, CaseFile))


@kept
def visible_screenings(principal: Principal) -> SelectOfScalar[Screening]:
    """Screenings of visible cases."""
    return select(Screening).join(CaseFile).where(_within(principal, CaseFile))


@kept
def visible_tasks(principal: Principal) -> SelectOfScalar[Task]:
    """Tasks of visible cases."""
    return select(Task).join(CaseFile, col(Task.case_id) == CaseFile.id).where(_within(principal, CaseFile))


@kept
def visible_consents(principal: Principal) -> SelectOfScalar[Consent]:
    """Consents of visible cases."""
    return select(Consent).join(CaseFile).where(_within(principal, CaseFile))


def visible_case_of_consent(principal: Principal, consent_id: UUID) -> SelectOfScalar[CaseFile]:
    """The visible case that a consent belongs to: it is locked before the consent is."""
    return visible_cases(principal).join(Consent).where(Consent.id == consent_id)


@kept
def visible_referrals(principal: Principal) -> SelectOfScalar[Referral]:
    """Referrals of visible cases; partners read theirs where they are worked on, not here."""
    return select(Referral).join(CaseFile).where(_within(principal, CaseFile))


@kept
def visible_partners(principal: Principal) -> SelectOfScalar[Partner]:
    """Case workers may refer to every active partner."""
    partners = select(Partner).where(Partner.active)
    return partners if principal.permissions & {Permission.REFERRAL_REQUEST} else partners.where(false())


def visible_disclosures(principal: Principal) -> Select[Referral, Consent, CaseFile, Person]:
    """What a partner may read: an open referral to it on a consent that holds now, all seen in one statement."""
    return (
        select(Referral, Consent, CaseFile, Person)
        .join(Consent, col(Referral.consent_id) == Consent.id)
        .join(Partner, col(Referral.organization_id) == Partner.id)
        .join(CaseFile, col(Referral.case_id) == CaseFile.id)
        .join(Person, col(CaseFile.person_id) == Person.id)
        .where(
            Referral.organization_id == _organization(principal),
            Consent.organization_id == Referral.organization_id,
            col(Referral.status).in_(OPEN),
            col(Partner.active),
            *_holds_today(),
        )
    )


def _organization(principal: Principal) -> UUID | None:
    """Return the organisation of the token; what is no UUID belongs to nobody, and equals nothing."""
    try:
        return UUID(principal.org) if principal.org else None
    except ValueError:
        return None


def _holds_today() -> tuple[ColumnElement[bool], ...]:
    return (
        col(Consent.withdrawn_at).is_(None),
        or_(col(Consent.expires_on).is_(None), col(Consent.expires_on) >= today()),
    )


def is_given_for(case_id: UUID, organization_id: UUID, service_type: ServiceType) -> tuple[Any, ...]:
    """Return the conditions that a consent to this referral holds: for this service, this receiver, today."""
    return (
        Consent.case_id == case_id,
        Consent.purpose == Purpose.REFERRAL,
        Consent.organization_id == organization_id,
        Consent.service_type == service_type,
        *_holds_today(),
    )


def is_open_on(case_id: UUID, consent_id: UUID | None = None) -> tuple[Any, ...]:
    """Return the conditions that a referral of a case, or of one of its consents, still goes on."""
    on_consent = true() if consent_id is None else col(Referral.consent_id) == consent_id
    return Referral.case_id == case_id, on_consent, col(Referral.status).in_(OPEN)


def name_scopes(principal: Principal) -> list[str]:
    """Return the provinces in which the caller's names are indexed."""
    office = codes.offices.get(principal.office) if principal.office else None
    return [code for code in {principal.province, office.province if office else None} if code]


def cases_of(person: Person) -> SelectOfScalar[CaseFile]:
    """Every case of a person, whoever sees it: each tells that she was erased."""
    return select(CaseFile).where(CaseFile.person_id == person.id)


def open_cases_of(person: Person) -> SelectOfScalar[CaseFile]:
    """Every case of a person that goes on, seen or unseen by the caller: none may be left when she is erased."""
    return select(CaseFile).where(CaseFile.person_id == person.id, CaseFile.status != CaseStatus.CLOSED)


def status_counts(principal: Principal, first: date, last: date) -> Select[str, int]:
    """Count the cases received in a period by status; analysts see counts, and no row."""
    counted = select(CaseFile.status, func.count()).where(*_countable(principal, first, last))
    return counted.group_by(col(CaseFile.status))


def complaint_counts(principal: Principal, first: date, last: date) -> Select[str, int]:
    """Count the same cases by complaint type; a case with several counts once in each."""
    code = func.jsonb_array_elements_text(CaseFile.complaint_types).column_valued(
        "complaint_type", joins_implicitly=True
    )
    counted = select(code, func.count()).select_from(CaseFile)
    return counted.where(*_countable(principal, first, last)).group_by(code)


def _countable(principal: Principal, first: date, last: date) -> tuple[ColumnElement[bool], ...]:
    received = col(CaseFile.received_on)
    return true() if principal.has(Role.ANALYST) else false(), received >= first, received <= last


VISIBLE: dict[str, Any] = {
    "case_file": visible_cases,
    "consent": visible_consents,
    "person": visible_people,
    "referral": visible_referrals,
    "screening": visible_screenings,
    "task": visible_tasks,
}

_late = select(func.count()).select_from(Task).where(Task.status == TaskStatus.OPEN, col(Task.due_at) < func.now())
FIGURES = (Figure("baoho_reviews_overdue", "Screenings that nobody reviewed in time.", _late),)
