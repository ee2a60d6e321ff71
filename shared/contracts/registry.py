"""What the registry promises: which contract a case belongs to, and what the law says of it."""

from datetime import date
from typing import ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from shared.contracts.audit import AuditSealed
from shared.events import Event
from shared.fetch import ReadModel
from shared.money import Money


class ContractLinked(Event):
    """The person of a case has this contract; intake fetches what it says."""

    type: ClassVar[str] = "registry.contract_linked.v1"

    case_id: UUID
    contract_id: UUID
    agency_id: UUID


class ContractNotFound(Event):
    """No contract of the person of a case is registered."""

    type: ClassVar[str] = "registry.contract_not_found.v1"

    case_id: UUID


class AgencyWatched(Event):
    """An allegation put an agency on the watch list, or added to what stands there."""

    type: ClassVar[str] = "registry.agency_watched.v1"

    agency_id: UUID
    case_id: UUID


class FindingDetails(BaseModel):
    """One indication with the article it rests on; a person decides."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    code: str
    outcome: str
    vi: str
    en: str
    citation: str
    """Where the rule stands, in Vietnamese; empty where no rule is known."""
    citation_en: str = ""
    numbers: dict[str, str]
    confirmed: bool
    clause: int | None = None
    """The clause of Article 7, Law 69/2020/QH14, that it points to."""


class CostDetails(BaseModel):
    """One cost item that the worker paid."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: str
    money: Money
    paid_on: date | None = None


class ContractDetails(ReadModel):
    """A linked contract; offered to intake alone, for cases that were linked."""

    owner: ClassVar[str] = "registry"
    path: ClassVar[str] = "/registry/v1/contract-links/{case_id}"

    case_id: UUID
    contract_id: UUID
    agency_id: UUID
    agency_name: str
    market: str
    job: str
    monthly_wage: Money
    months: int
    signed_on: date
    costs: list[CostDetails]
    findings: list[FindingDetails]


class RegistryAuditSealed(AuditSealed):
    """How far the audit chain of registry reaches."""

    type: ClassVar[str] = "registry.audit_sealed.v1"


EVENTS: tuple[type[Event], ...] = (ContractLinked, ContractNotFound, AgencyWatched, RegistryAuditSealed)
