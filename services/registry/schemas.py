"""What goes over the registry's wire."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from services.registry.models import LicenceStatus
from shared.clock import today
from shared.codes.identity_numbers import IdKind
from shared.contracts.registry import CostDetails, FindingDetails
from shared.law.fees import CostKind, JobCode
from shared.money import Amount, Money
from shared.names import query_terms
from shared.person import PersonDetails, Phone, StoredPerson
from shared.schema import CountryCode, Input, Line, Name, Output, ProvinceCode
from shared.validation import ExpectedError

EARLIEST_ACT = date(1990, 1, 1)
LONGEST_TERM = 120
"""Months; no market knows a longer one."""
RATE_LIMIT = Decimal(10**6)


def _past(day: date) -> date:
    if not EARLIEST_ACT <= day <= today():
        raise ExpectedError("ngày từ 1990-01-01 đến hôm nay", "a date from 1990-01-01 to today")
    return day


def _paid(money: Money) -> Money:
    if money.amount < 0:
        raise ExpectedError("số tiền từ 0 trở lên", "an amount of 0 or more")
    return money


def _wage(money: Money) -> Money:
    if money.amount <= 0:
        raise ExpectedError("mức lương lớn hơn 0", "a wage greater than 0")
    return money


def _rate(rate: Decimal) -> Decimal:
    if not 0 < rate < RATE_LIMIT:
        raise ExpectedError("tỷ giá lớn hơn 0 và nhỏ hơn 1000000", "a rate greater than 0 and less than 1000000")
    return rate


def _searchable(name: str) -> str:
    if not query_terms(name):
        raise ExpectedError("ít nhất một chữ cái", "at least one letter")
    return name


PastDay = Annotated[date, AfterValidator(_past)]
EnterpriseCode = Annotated[str, StringConstraints(pattern=r"^[0-9]{10}(-[0-9]{3})?$")]
Website = Annotated[str, StringConstraints(pattern=r"^https?://[^\s]{3,190}$")]


class AgencyCreate(Input):
    """An agency as the licensing authority publishes it."""

    name: Line
    licence_number: Line
    enterprise_code: EnterpriseCode
    address: Line | None = None
    phone: Phone | None = None
    website: Website | None = None
    licence_status: LicenceStatus = LicenceStatus.ACTIVE
    licence_status_on: PastDay


class AgencyUpdate(Input):
    """What changed; a licence status comes with the day it began."""

    name: Line | None = None
    licence_number: Line | None = None
    address: Line | None = None
    phone: Phone | None = None
    website: Website | None = None
    licence_status: LicenceStatus | None = None
    licence_status_on: PastDay | None = None

    @model_validator(mode="after")
    def _tells_something_whole(self) -> Self:
        if not self.model_dump(exclude_none=True):
            raise ExpectedError("ít nhất một trường", "at least one field")
        if (self.licence_status is None) != (self.licence_status_on is None):
            raise ExpectedError(
                "licence_status và licence_status_on đi cùng nhau", "licence_status and licence_status_on together"
            )
        return self


class LicenceEventRead(Output):
    """A licence took a status on a day."""

    status: LicenceStatus
    status_on: date


class AgencySummary(Output):
    """An agency in a list."""

    id: UUID
    name: str
    licence_number: str
    enterprise_code: str
    licence_status: LicenceStatus
    licence_status_on: date


class AgencyRead(AgencySummary):
    """An agency with the history of its licence."""

    address: str | None
    phone: str | None
    website: str | None
    licence_history: list[LicenceEventRead]
    licence_status_then: LicenceStatus | None
    """As of the day asked for with `on`, today without; null before the first event."""
    version: int


class WorkerCreate(Input):
    """A worker with who it is; `province` is where it is registered as resident."""

    person: PersonDetails
    province: ProvinceCode


class WorkerSummary(Output):
    """A worker in a list: nothing that says who it is."""

    id: UUID
    province: str
    created_at: datetime


class WorkerFound(WorkerSummary):
    """A worker that a search found: enough to tell one from another."""

    name: str | None
    born_on: date | None


class WorkerRead(WorkerSummary):
    """A worker with its details; null where the person was erased."""

    person: StoredPerson | None
    version: int


class WorkerSearch(Input):
    """Either a name, with or without diacritics, in any order of its words; or a document with its number."""

    name: Annotated[Name, AfterValidator(_searchable)] | None = None
    document: IdKind | None = None
    document_number: Annotated[str, StringConstraints(min_length=1, max_length=40)] | None = None

    @model_validator(mode="after")
    def _asks_one_thing(self) -> Self:
        if (self.document is None) != (self.document_number is None) or (self.name is None) == (self.document is None):
            raise ExpectedError(
                "name, hoặc document cùng document_number", "name, or document together with document_number"
            )
        return self


class CostCreate(Input):
    """One thing the worker paid."""

    kind: CostKind
    money: Annotated[Money, AfterValidator(_paid)]
    paid_on: PastDay | None = None


class ContractCreate(Input):
    """A contract that sends a worker abroad; `rate` is VND for one unit of the wage's currency."""

    worker_id: UUID
    agency_id: UUID
    market: CountryCode
    job: JobCode
    monthly_wage: Annotated[Money, AfterValidator(_wage)]
    months: Annotated[int, Field(ge=1, le=LONGEST_TERM)]
    sending_contract_signed_on: PastDay
    supply_contract_approved_on: PastDay | None = None
    extension: bool = False
    rate: Annotated[Amount, AfterValidator(_rate)] | None = None
    rate_on: PastDay | None = None
    rate_source: Line | None = None
    costs: list[CostCreate] = Field(default_factory=list, max_length=100)


class ContractSummary(Output):
    """A contract in a list."""

    id: UUID
    worker_id: UUID
    agency_id: UUID
    market: str
    job: JobCode
    months: int
    sending_contract_signed_on: date
    created_at: datetime


class ContractRead(ContractSummary):
    """A contract with what it cost and what the law indicates; an indication convicts nobody."""

    monthly_wage: Money
    supply_contract_approved_on: date | None
    extension: bool
    rate: Amount | None
    rate_on: date | None
    rate_source: str | None
    costs: list[CostDetails]
    findings: list[FindingDetails]
    licence_status_when_signed: LicenceStatus | None
    """How the agency's licence stood on the day of signature; null where no event that early is recorded."""
    version: int


class WatchedAllegation(Output):
    """In how many cases one thing is alleged."""

    code: str
    cases: int
    revocation_ground: bool


class WatchedClause(Output):
    """In how many cases one clause of Article 7, Law 69/2020/QH14, is pointed to; a ground stands in Article 16.2d."""

    clause: int
    cases: int
    revocation_ground: bool


class WatchedAgency(Output):
    """What is alleged against an agency, in numbers; which cases they are is not told."""

    agency: AgencySummary
    cases: int
    allegations: list[WatchedAllegation]
    clauses: list[WatchedClause]
    first_at: datetime
    last_at: datetime
