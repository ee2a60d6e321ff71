"""Webhooks: where partners want to be told, what they are told, and each try to tell them."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field

from services.referral.models.base import ReferralBase
from shared.clock import now
from shared.columns import Versioned, choice, document, instant, key, sealed, sequence
from shared.ids import new_id
from shared.webhooks import Reason


class MessageType(StrEnum):
    """What a partner is told."""

    REFERRAL_REQUESTED = "referral.requested"
    REFERRAL_CANCELLED = "referral.cancelled"
    REFERRAL_CLOSED = "referral.closed"


class DeliveryStatus(StrEnum):
    """How far a message got at one endpoint."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class DisabledReason(StrEnum):
    """Why nothing is sent to an endpoint any more."""

    DELETED = "deleted"
    """Its organisation took it away."""
    FAILING = "failing"
    """No try succeeded for three days."""
    GONE = "gone"
    """It answered 410."""


class Endpoint(ReferralBase, Versioned, table=True):
    """An address of a partner; what its messages are signed with is sealed."""

    __tablename__ = "endpoint"

    seq: int | None = sequence()
    organization_id: UUID = Field(foreign_key="organization.id", index=True)
    url: str
    secret: bytes | None = sealed()
    active: bool = True
    disabled_reason: DisabledReason | None = choice(DisabledReason, default=None, nullable=True)
    failing_since: datetime | None = instant(default=None)
    slow_until: datetime | None = instant(default=None)
    """Until then it is given one message at a time."""


def new_message_id() -> str:
    """Return what partners see as `webhook-id`."""
    return f"msg_{new_id().hex}"


class Message(ReferralBase, table=True):
    """What is told about a referral: ids and links only; the partner reads the rest with its own token."""

    __tablename__ = "message"

    id: str = Field(default_factory=new_message_id, primary_key=True)
    seq: int | None = sequence()
    referral_id: UUID = Field(foreign_key="referral.id")
    organization_id: UUID = Field(index=True)
    type: MessageType = choice(MessageType)
    payload: dict[str, str] = document()
    correlation_id: str
    traceparent: str | None = None
    created_at: datetime = instant(default_factory=now)


class Delivery(ReferralBase, table=True):
    """One message on its way to one endpoint."""

    __tablename__ = "delivery"
    __table_args__ = (
        UniqueConstraint("endpoint_id", "message_id"),
        # Only what is still to be done is looked for, and it is little beside what was done.
        Index("ix_delivery_due", "endpoint_id", "due_at", postgresql_where="status = 'pending'"),
        Index("ix_delivery_order", "endpoint_id", "referral_id", "seq", postgresql_where="status = 'pending'"),
    )

    id: UUID = key()
    seq: int | None = sequence()
    """Given while the referral is locked, so it is the order of the messages about one referral."""
    endpoint_id: UUID = Field(foreign_key="endpoint.id")
    message_id: str = Field(foreign_key="message.id")
    referral_id: UUID
    status: DeliveryStatus = choice(DeliveryStatus, default=DeliveryStatus.PENDING)
    tries: int = 0
    due_at: datetime = instant(default_factory=now)
    lease_token: UUID | None = None
    leased_until: datetime | None = instant(default=None)


class Attempt(ReferralBase, table=True):
    """One try of a delivery, kept for the partner to see."""

    __tablename__ = "attempt"

    id: UUID = key()
    delivery_id: UUID = Field(foreign_key="delivery.id", index=True)
    at: datetime = instant()
    status_code: int | None = None
    reason: Reason = choice(Reason)
    elapsed_ms: int
