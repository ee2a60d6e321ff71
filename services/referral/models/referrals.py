"""Referrals: a client is a case's id here, and what she needs a few codes."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import UniqueConstraint
from sqlmodel import Field

from services.referral.models.base import ReferralBase
from shared.columns import Versioned, choice, instant, key, sequence
from shared.contracts.referral import Population, ServiceType


class Priority(StrEnum):
    """How soon someone must act, in the hotline's words."""

    P0 = "p0"
    P1 = "p1"
    P2 = "p2"
    P3 = "p3"


class ReferralStatus(StrEnum):
    """Where a referral stands, in the words that intake uses too."""

    REQUESTED = "requested"
    ROUTED = "routed"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    UNROUTABLE = "unroutable"


class DeclineReason(StrEnum):
    """Why a partner cannot help."""

    NO_CAPACITY = "no_capacity"
    NOT_ELIGIBLE = "not_eligible"
    OUT_OF_AREA = "out_of_area"
    UNSAFE = "unsafe"
    OTHER = "other"


class Ended(StrEnum):
    """What a tombstone tells of."""

    CASE = "case"
    REFERRAL = "referral"


class Referral(ReferralBase, Versioned, table=True):
    """What an officer asked of a partner; its id is the one minted in intake."""

    __tablename__ = "referral"

    seq: int | None = sequence()
    case_id: UUID = Field(index=True)
    organization_id: UUID = Field(index=True)
    """As the officer named it: it need not stand in the directory, hence no foreign key."""
    service_id: UUID | None = Field(default=None, foreign_key="service.id")
    """None until it is routed, and for ever if it never is: then no partner sees it."""
    service_type: ServiceType = choice(ServiceType)
    priority: Priority = choice(Priority)
    province: str
    population: Population = choice(Population)
    needs_bed: bool
    status: ReferralStatus = choice(ReferralStatus, default=ReferralStatus.REQUESTED)
    reason: str | None = None
    requested_at: datetime = instant()
    due_at: datetime = instant()
    answered_at: datetime | None = instant(default=None)
    answered_by: str | None = None
    """The subject of the token that answered."""


class BedHold(ReferralBase, table=True):
    """A bed that is kept for a referral, from its acceptance until it is released."""

    __tablename__ = "bed_hold"

    id: UUID = key()
    referral_id: UUID = Field(foreign_key="referral.id", unique=True)
    capacity_id: UUID = Field(foreign_key="capacity.id")
    held_at: datetime = instant()
    released_at: datetime | None = instant(default=None)


class Tombstone(ReferralBase, table=True):
    """Something that ended before we heard of a referral it concerns: such a referral is born cancelled."""

    __tablename__ = "tombstone"
    __table_args__ = (UniqueConstraint("ended", "subject_id"),)

    id: UUID = key()
    ended: Ended = choice(Ended)
    subject_id: UUID
    """Of the case or the referral."""
    reason: str
    ended_at: datetime = instant()
