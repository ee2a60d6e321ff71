"""Referrals as intake sees them: asked for here, worked on elsewhere; the id minted here is the referral's everywhere."""

from enum import StrEnum
from uuid import UUID

from sqlmodel import Field

from services.intake.models.base import IntakeBase
from services.intake.models.cases import Priority
from shared.columns import Versioned, choice, sequence
from shared.contracts.referral import Population, ServiceType


class ReferralStatus(StrEnum):
    """How far a referral came."""

    REQUESTED = "requested"
    ROUTED = "routed"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    UNROUTABLE = "unroutable"


OPEN = frozenset({ReferralStatus.REQUESTED, ReferralStatus.ROUTED, ReferralStatus.ACCEPTED})
"""While a referral is open its receiver may read what the consent allows."""


class Referral(IntakeBase, Versioned, table=True):
    """A service asked for, on one consent."""

    __tablename__ = "referral"

    seq: int | None = sequence()
    case_id: UUID = Field(foreign_key="case_file.id", index=True)
    consent_id: UUID = Field(foreign_key="consent.id", index=True)
    organization_id: UUID = Field(foreign_key="partner.id", index=True)
    service_type: ServiceType = choice(ServiceType)
    population: Population = choice(Population)
    needs_bed: bool
    priority: Priority = choice(Priority)
    status: ReferralStatus = choice(ReferralStatus, default=ReferralStatus.REQUESTED)
    reason: str | None = None
    """A code, where it ended without its service."""
    bed_held: bool = False
