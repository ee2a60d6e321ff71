"""Cases: registering, updating, reading, resolving; the timeline."""

from datetime import date, datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, Field, model_validator

from services.intake.models import (
    CaseStatus,
    Channel,
    ConfirmationMethod,
    LinkState,
    Outcome,
    Priority,
    Respondent,
    Told,
)
from shared.clock import today
from shared.contracts.registry import CostDetails
from shared.law.clocks import DayUnit, StartsFrom, Step
from shared.money import Money
from shared.person import PersonDetails, StoredPerson
from shared.schema import ComplaintCode, CountryCode, Day, Input, LanguageCode, Narrative, Output
from shared.validation import ExpectedError

EARLIEST = date(2000, 1, 1)
LATEST = date(2999, 12, 31)


def _received(day: date) -> date:
    if not EARLIEST <= day <= today():
        raise ExpectedError("ngày từ 2000-01-01 đến hôm nay", "a day from 2000-01-01 to today")
    return day


def _filter_day(day: date) -> date:
    if not EARLIEST <= day <= LATEST:
        raise ExpectedError("ngày từ 2000-01-01 đến 2999-12-31", "a day from 2000-01-01 to 2999-12-31")
    return day


def _positive(money: Money) -> Money:
    if money.amount <= 0:
        raise ExpectedError("số tiền lớn hơn 0", "an amount above 0")
    return money


ReceivedOn = Annotated[date, AfterValidator(_received)]
FilterDay = Annotated[Day, AfterValidator(_filter_day)]
Compensation = Annotated[Money, AfterValidator(_positive)]
ComplaintTypes = Annotated[list[ComplaintCode], Field(min_length=1, max_length=19)]


class CaseRegister(Input):
    """A case as an officer takes it down: about a new person, or about one the office knows."""

    person: PersonDetails | None = None
    person_id: UUID | None = None
    channel: Channel
    country: CountryCode
    language: LanguageCode = "vi"
    complaint_types: ComplaintTypes
    narrative: Narrative
    respondent: Respondent = Respondent.UNKNOWN
    received_on: ReceivedOn
    priority: Priority = Priority.P2

    @model_validator(mode="after")
    def _is_about_someone(self) -> Self:
        if (self.person is None) == (self.person_id is None):
            raise ExpectedError("đúng một trong person và person_id", "exactly one of person and person_id")
        return self


class CaseUpdate(Input):
    """What may be corrected of a case; what is not sent stays."""

    priority: Priority | None = None
    complaint_types: ComplaintTypes | None = None
    respondent: Respondent | None = None


class Resolution(Input):
    """What came of the case, and the money where there was any."""

    outcome: Outcome
    compensation: Compensation | None = None


class Confirmation(Input):
    """The client's own word on the outcome."""

    method: ConfirmationMethod
    satisfied: bool


class CaseSummary(Output):
    """A case in a list: no name, no narrative."""

    id: UUID
    reference: str
    person_id: UUID
    office: str
    status: CaseStatus
    channel: Channel
    country: str
    priority: Priority
    complaint_types: list[str]
    received_on: date
    link_state: LinkState
    created_at: datetime


class ArticleRead(Output):
    """A clause of Article 7, Law 69/2020/QH14."""

    code: str
    vi: str
    en: str
    revocation_ground: bool
    confirmed: bool


class FindingRead(Output):
    """An indication with its numbers and what it rests on; a person decides."""

    code: str
    outcome: str
    vi: str
    en: str
    citation: str
    """Where the rule stands, in Vietnamese; empty where no rule is known."""
    citation_en: str
    numbers: dict[str, str]
    confirmed: bool
    article: ArticleRead | None


class ContractRead(Output):
    """The linked contract as the registry told of it."""

    contract_id: UUID
    agency_id: UUID
    agency_name: str
    market: str
    job: str
    monthly_wage: Money
    months: int
    signed_on: date
    costs: list[CostDetails]
    findings: list[FindingRead]


class TextRead(Output):
    """The same in Vietnamese and English."""

    vi: str
    en: str


class ClockRead(Output):
    """A time limit of the law; `due_on` is its last day, null until the event it runs from has happened."""

    code: Step
    due_on: date | None
    length: int
    unit: DayUnit
    starts_from: StartsFrom
    citation: TextRead
    confirmed: bool
    counting: TextRead
    counting_confirmed: bool
    vi: str
    en: str


class CaseRead(CaseSummary):
    """A case with whom it is about; `person` and `narrative` are null where they are not known yet, or were erased."""

    language: str
    respondent: Respondent
    hotline_case_id: UUID | None
    person: StoredPerson | None
    erased: bool
    narrative: str | None
    contract: ContractRead | None
    clocks: list[ClockRead]
    outcome: Outcome | None
    compensation: Money | None
    confirmed_at: datetime | None
    confirmed_how: ConfirmationMethod | None
    closed_at: datetime | None
    version: int


class RegisteredCase(CaseRead):
    """The new case, and others who gave the same document number: a hint, for an officer to look at."""

    same_number: list[UUID]


class TimelineRead(Output):
    """One step of a case."""

    at: datetime
    code: Told
    actor: str
    details: dict[str, Any]
