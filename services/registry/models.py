"""What the registry stores: workers, agencies with their licences, contracts, and what complaints point to."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from shared.clock import now
from shared.columns import Versioned, amount, choice, document, instant, key, new_registry, sealed, sequence
from shared.law.fees import JobCode

_registry = new_registry()
metadata = _registry.metadata


class RegistryBase(SQLModel, registry=_registry):
    """The tables of the registry."""


class LicenceStatus(StrEnum):
    """How an agency's licence stands; the licensing authority decides it, we record it with its day."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    RETURNED = "returned"


class Worker(RegistryBase, Versioned, table=True):
    """A worker's registration; who it is stands sealed under the row's own id."""

    __tablename__ = "worker"

    seq: int | None = sequence()
    details: bytes | None = sealed()
    """JSON of `PersonDetails`."""
    number_blind: bytes | None = sealed(index=True)
    province: str = Field(index=True)


class WorkerPseudonym(RegistryBase, table=True):
    """How intake's requests name the holder of a worker's document, once for each link key; no API shows it."""

    __tablename__ = "worker_pseudonym"

    pseudonym: str = Field(primary_key=True)
    worker_id: UUID = Field(foreign_key="worker.id", index=True)
    key_id: str


class Agency(RegistryBase, Versioned, table=True):
    """A service enterprise; everything here is about the business, and published by the authority."""

    __tablename__ = "agency"

    seq: int | None = sequence()
    name: str
    licence_number: str
    enterprise_code: str = Field(unique=True)
    address: str | None = None
    phone: str | None = None
    website: str | None = None
    licence_status: LicenceStatus = choice(LicenceStatus)
    licence_status_on: date
    """The status of the latest `licence_event`, and the day it began."""


class LicenceEvent(RegistryBase, table=True):
    """A licence took a status on a day: with all of them the status on the day of any act can be told."""

    __tablename__ = "licence_event"

    id: UUID = key()
    seq: int | None = sequence()
    agency_id: UUID = Field(foreign_key="agency.id", index=True)
    status: LicenceStatus = choice(LicenceStatus)
    status_on: date
    recorded_at: datetime = instant(default_factory=now)


class Contract(RegistryBase, Versioned, table=True):
    """A contract that sends a worker abroad, what it cost the worker, and what the law says of that."""

    __tablename__ = "contract"
    __table_args__ = (Index("ix_contract_worker_id_newest", "worker_id", "sending_contract_signed_on", "seq"),)

    seq: int | None = sequence()
    worker_id: UUID = Field(foreign_key="worker.id")
    agency_id: UUID = Field(foreign_key="agency.id", index=True)
    market: str
    job: JobCode = choice(JobCode)
    monthly_wage: Decimal = amount()
    currency: str
    months: int
    sending_contract_signed_on: date
    supply_contract_approved_on: date | None = None
    extension: bool = False
    rate: Decimal | None = amount(default=None)
    """VND for one unit of the wage's currency."""
    rate_on: date | None = None
    rate_source: str | None = None
    costs: list[dict[str, Any]] = document()
    """JSON of `CostDetails`."""
    findings: list[dict[str, Any]] = document()
    """JSON of `FindingDetails`, as the law stood when the contract was registered."""


class ContractLink(RegistryBase, Versioned, table=True):
    """A case asked for its person's contract; a request that found nothing waits until one is registered."""

    __tablename__ = "contract_link"

    case_id: UUID = Field(unique=True)
    pseudonym: str = Field(index=True)
    contract_id: UUID | None = Field(default=None, foreign_key="contract.id")
    agency_id: UUID | None = Field(default=None, foreign_key="agency.id")


class WatchEntry(RegistryBase, Versioned, table=True):
    """What one case alleges against one agency.

    It is an aggregate of its own, so that the agency's version, which its officers see, never tells of a complaint.
    """

    __tablename__ = "watch_entry"
    __table_args__ = (UniqueConstraint("agency_id", "case_id"),)

    seq: int | None = sequence()
    agency_id: UUID = Field(foreign_key="agency.id", index=True)
    case_id: UUID
    allegations: list[str] = document()
    clauses: list[int] = document()
    """Clauses of Article 7, Law 69/2020/QH14."""
