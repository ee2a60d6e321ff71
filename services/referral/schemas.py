"""What goes over referral's wire; names follow HSDS 3.1 where it has them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from services.referral.models import (
    DeclineReason,
    DeliveryStatus,
    DisabledReason,
    MessageType,
    Priority,
    ReferralStatus,
)
from shared.contracts.referral import Population, ServiceType
from shared.schema import Input, Name, Output, ProvinceCode
from shared.webhooks import Reason

Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]{1,64}@[^@\s]{1,189}$")]
Phone = Annotated[str, StringConstraints(pattern=r"^\+?[0-9 .()-]{3,32}$")]
Website = Annotated[str, StringConstraints(pattern=r"^https?://[^\s]{1,500}$")]
Url = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Provinces = Annotated[list[ProvinceCode], Field(max_length=34)]
Populations = Annotated[list[Population], Field(min_length=1, max_length=5)]
BEDS_LIMIT = 10_000


class OrganizationCreate(Input):
    """A partner; `id` is what its people's tokens carry in `org`, where the identity provider chose it already."""

    id: UUID | None = None
    name: Name
    email: Email | None = None
    phone: Phone | None = None
    website: Website | None = None
    active: bool = True


class OrganizationUpdate(Input):
    """What is sent changes; a contact sent as null is taken away.

    Defaults are made by factories, so that the API's description names none: what is not sent stays as it is.
    """

    name: Name = Field(default_factory=str)
    email: Email | None = None
    phone: Phone | None = None
    website: Website | None = None
    active: bool = Field(default_factory=bool)


class OrganizationRead(Output):
    """A partner in the directory."""

    id: UUID
    name: str
    email: str | None
    phone: str | None
    website: str | None
    active: bool
    version: int


class ServiceCreate(Input):
    """What an organisation offers; without provinces it offers it everywhere."""

    name: Name
    service_type: ServiceType
    provinces: Provinces = Field(default_factory=list)
    populations: Populations = Field(default_factory=lambda: [Population.ANY])
    active: bool = True


class ServiceUpdate(Input):
    """What is sent changes, and what is not sent stays as it is."""

    name: Name = Field(default_factory=str)
    provinces: Provinces = Field(default_factory=list)
    populations: Populations = Field(default_factory=list)
    active: bool = Field(default_factory=bool)


class CapacityRead(Output):
    """The beds of a service for one population (HSDS `service_capacity`)."""

    id: UUID
    population: Population
    available: int | None
    """Free beds; null where the count is older than 24 hours, or was never made."""
    maximum: int
    updated: datetime
    """When they were counted last."""
    version: int


class CapacityCounted(CapacityRead):
    """What the manager gets back: also the beds held for referrals."""

    service_id: UUID
    held: int


class ServiceRead(Output):
    """A service in the directory."""

    id: UUID
    organization_id: UUID
    name: str
    service_type: ServiceType
    provinces: list[str]
    populations: list[Population]
    active: bool
    capacities: list[CapacityRead]
    version: int


class BedCount(Input):
    """How many beds there are for a population, those held for referrals among them."""

    total: int = Field(ge=0, le=BEDS_LIMIT)


class Decline(Input):
    """A partner's no; the reason is a code, never a story."""

    reason: DeclineReason


class ReferralRead(Output):
    """A referral as its partner sees it: ids, codes, clocks, and where the consented details are read."""

    id: UUID
    organization_id: UUID
    service_id: UUID
    service_type: ServiceType
    priority: Priority
    province: str
    population: Population
    needs_bed: bool
    status: ReferralStatus
    reason: str | None
    requested_at: datetime
    due_at: datetime
    answered_at: datetime | None
    disclosure_url: str
    version: int


class EndpointCreate(Input):
    """Where an organisation wants to be told."""

    url: Url


class EndpointRead(Output):
    """An endpoint, and how it does."""

    id: UUID
    url: str
    active: bool
    disabled_reason: DisabledReason | None
    failing_since: datetime | None
    created_at: datetime
    version: int


class EndpointCreated(EndpointRead):
    """A new endpoint with its secret, which is never shown again."""

    secret: str
    """`whsec_…`: what messages to this endpoint are signed with (Standard Webhooks 1.0)."""


class AttemptRead(Output):
    """One try."""

    at: datetime
    status_code: int | None
    reason: Reason
    elapsed_ms: int


class DeliveryRead(Output):
    """A message on its way to an endpoint, with every try so far."""

    id: UUID
    endpoint_id: UUID
    message_id: str
    """The `webhook-id` of every try."""
    type: MessageType
    referral_id: UUID
    status: DeliveryStatus
    tries: int
    due_at: datetime | None
    """When it is tried next; null where it is not."""
    attempts: list[AttemptRead]


class WebhookKey(Output):
    """One of our public keys: `whpk_` and base64 of 32 bytes (ed25519)."""

    id: str
    key: str


class WebhookKeys(Output):
    """Our public keys, the newest first; while keys change, each message is signed with all of them."""

    keys: list[WebhookKey]
