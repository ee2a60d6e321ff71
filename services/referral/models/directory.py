"""The directory: organisations, what they offer, and how many beds they have (after HSDS 3.1)."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, UniqueConstraint
from sqlmodel import Field

from services.referral.models.base import ReferralBase
from shared.columns import Versioned, choice, document, instant, sequence
from shared.contracts.referral import Population, ServiceType


class Organization(ReferralBase, Versioned, table=True):
    """A partner; its contacts are the public ones of the organisation, never those of a person."""

    __tablename__ = "organization"

    seq: int | None = sequence()
    name: str
    email: str | None = None
    phone: str | None = None
    website: str | None = None
    active: bool = True
    """An organisation that is not active receives no clients, and its people see nothing."""


class Service(ReferralBase, Versioned, table=True):
    """Something an organisation does, where, and for whom."""

    __tablename__ = "service"

    seq: int | None = sequence()
    organization_id: UUID = Field(foreign_key="organization.id", index=True)
    name: str
    service_type: ServiceType = choice(ServiceType)
    provinces: list[str] = document()
    """Codes of provinces; none at all means everywhere."""
    populations: list[str] = document()
    active: bool = True


class Capacity(ReferralBase, Versioned, table=True):
    """The beds of a service for one population, as its manager counted them, and those that we hold."""

    __tablename__ = "capacity"
    __table_args__ = (
        UniqueConstraint("service_id", "population"),
        CheckConstraint("0 <= held AND held <= total", name="held_within_total"),
    )

    service_id: UUID = Field(foreign_key="service.id")
    population: Population = choice(Population)
    total: int
    held: int = 0
    counted_at: datetime = instant()
