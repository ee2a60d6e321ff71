"""What referral stores: the directory, the referrals, and the webhooks that tell of them; no person at all."""

from services.referral.models.base import metadata
from services.referral.models.directory import Capacity, Organization, Service
from services.referral.models.referrals import (
    BedHold,
    DeclineReason,
    Ended,
    Priority,
    Referral,
    ReferralStatus,
    Tombstone,
)
from services.referral.models.webhooks import (
    Attempt,
    Delivery,
    DeliveryStatus,
    DisabledReason,
    Endpoint,
    Message,
    MessageType,
)

__all__ = [
    "Attempt",
    "BedHold",
    "Capacity",
    "DeclineReason",
    "Delivery",
    "DeliveryStatus",
    "DisabledReason",
    "Ended",
    "Endpoint",
    "Message",
    "MessageType",
    "Organization",
    "Priority",
    "Referral",
    "ReferralStatus",
    "Service",
    "Tombstone",
    "metadata",
]
