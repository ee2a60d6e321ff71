"""Referrals, and what a partner may read of a client."""

from datetime import date, datetime
from uuid import UUID

from services.intake.models import Priority, ReferralStatus, SharedField
from shared.contracts.referral import Population, ServiceType
from shared.schema import Input, Output


class ReferralCreate(Input):
    """The service asked for; the client's consent to it must be on record."""

    organization_id: UUID
    service_type: ServiceType
    population: Population = Population.ANY
    needs_bed: bool = False
    priority: Priority = Priority.P2


class ReferralRead(Output):
    """A referral and how far it came; `reason` is a code, where it ended without its service."""

    id: UUID
    case_id: UUID
    consent_id: UUID
    organization_id: UUID
    service_type: ServiceType
    population: Population
    needs_bed: bool
    priority: Priority
    status: ReferralStatus
    reason: str | None
    bed_held: bool
    created_at: datetime
    version: int


class DisclosureRead(Output):
    """What the client agreed to share with this service; a field she did not name is absent, a null one is not known."""

    referral_id: UUID
    service_type: ServiceType
    fields: list[SharedField]
    name: str | None = None
    born_on: date | None = None
    sex: str | None = None
    phone: str | None = None
    language: str | None = None
    document: str | None = None
    document_number: str | None = None
    narrative: str | None = None
    complaint_types: list[str] | None = None
    country: str | None = None
