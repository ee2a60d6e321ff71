"""What referral promises: who the partners are, and what became of each referral."""

from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from shared.contracts.audit import AuditSealed
from shared.events import Event


class ServiceType(StrEnum):
    """What a partner can do for a client; consent and referral name one of these."""

    LEGAL_AID = "legal_aid"
    SHELTER = "shelter"
    COUNSELLING = "counselling"
    MEDICAL = "medical"


class Population(StrEnum):
    """Whom a service is for; of a service `ANY` means that it takes everyone, of a client that she needs nothing special."""

    WOMEN = "women"
    MEN = "men"
    FAMILIES = "families"
    CHILDREN = "children"
    ANY = "any"


class OrganizationListed(Event):
    """An organisation stands in the directory; `active` says whether it may receive clients."""

    type: ClassVar[str] = "referral.organization_listed.v1"

    organization_id: UUID
    active: bool


class ReferralRouted(Event):
    """A referral reached a service of its organisation and waits for an answer."""

    type: ClassVar[str] = "referral.referral_routed.v1"

    referral_id: UUID
    case_id: UUID
    service_id: UUID


class ReferralUnroutable(Event):
    """The organisation has no service that fits; the officer must choose another."""

    type: ClassVar[str] = "referral.referral_unroutable.v1"

    referral_id: UUID
    case_id: UUID
    reason: str


class ReferralAccepted(Event):
    """The partner took the client on; with a bed held where one was asked for."""

    type: ClassVar[str] = "referral.referral_accepted.v1"

    referral_id: UUID
    case_id: UUID
    organization_id: UUID
    bed_held: bool


class ReferralDeclined(Event):
    """The partner cannot help; the reason is a code."""

    type: ClassVar[str] = "referral.referral_declined.v1"

    referral_id: UUID
    case_id: UUID
    reason: str


class ReferralCompleted(Event):
    """The partner has done what was asked."""

    type: ClassVar[str] = "referral.referral_completed.v1"

    referral_id: UUID
    case_id: UUID


class ReferralCancelled(Event):
    """A referral ended without its service; the reason is a code."""

    type: ClassVar[str] = "referral.referral_cancelled.v1"

    referral_id: UUID
    case_id: UUID
    reason: str


class BedReleased(Event):
    """A bed is free again."""

    type: ClassVar[str] = "referral.bed_released.v1"

    referral_id: UUID
    case_id: UUID


class ReferralAuditSealed(AuditSealed):
    """How far the audit chain of referral reaches."""

    type: ClassVar[str] = "referral.audit_sealed.v1"


EVENTS: tuple[type[Event], ...] = (
    OrganizationListed,
    ReferralRouted,
    ReferralUnroutable,
    ReferralAccepted,
    ReferralDeclined,
    ReferralCompleted,
    ReferralCancelled,
    BedReleased,
    ReferralAuditSealed,
)
