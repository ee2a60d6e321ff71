"""Who may do what at referral, and which rows exist for them; every read starts here."""

from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import and_, false, func, or_, true
from sqlalchemy.orm import aliased
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from services.referral.models import (
    Attempt,
    BedHold,
    Capacity,
    Delivery,
    DeliveryStatus,
    DisabledReason,
    Ended,
    Endpoint,
    Message,
    Organization,
    Referral,
    ReferralStatus,
    Service,
    Tombstone,
)
from shared.access import kept
from shared.auth import Principal, requires
from shared.contracts.intake import CaseClosed, ConsentWithdrawn, ReferralRequested
from shared.contracts.referral import Population
from shared.metrics import Figure
from shared.permissions import Permission, Role

CanAnswer = Annotated[Principal, requires(Permission.REFERRAL_ANSWER)]
CanEditBeds = Annotated[Principal, requires(Permission.BED_EDIT)]
CanEditDirectory = Annotated[Principal, requires(Permission.DIRECTORY_EDIT)]
CanEditEndpoints = Annotated[Principal, requires(Permission.ENDPOINT_EDIT)]
CanReadDirectory = Annotated[Principal, requires(Permission.DIRECTORY_READ)]
CanReadEndpoints = Annotated[Principal, requires(Permission.ENDPOINT_READ)]
CanReadReferrals = Annotated[Principal, requires(Permission.REFERRAL_READ)]

PARTNERS = frozenset({Role.PARTNER_MANAGER, Role.PARTNER_WORKER})


def organization_of(principal: Principal) -> UUID | None:
    """Return the organisation in the caller's token: the request never names one."""
    try:
        return UUID(principal.org or "")
    except ValueError:
        return None


@kept
def own_organization(principal: Principal) -> SelectOfScalar[Organization]:
    """A partner's own organisation, as long as it is active: at each request, whatever the token says."""
    organizations = select(Organization)
    if not principal.roles & PARTNERS:
        return organizations.where(false())
    return organizations.where(Organization.id == organization_of(principal), col(Organization.active))


def _is_own(principal: Principal, organization_id: Any) -> Any:
    return col(organization_id).in_(own_organization(principal).with_only_columns(col(Organization.id)))


def _reads_directory(principal: Principal) -> Any:
    """The people of an organisation that is no longer active lose the directory with everything else."""
    only_partner = principal.roles <= PARTNERS
    return own_organization(principal).exists() if only_partner else true()


@kept
def visible_organizations(principal: Principal) -> SelectOfScalar[Organization]:
    """Everybody who reads the directory sees active organisations, administrators the others too."""
    organizations = select(Organization)
    if principal.has(Role.ADMINISTRATOR):
        return organizations
    return organizations.where(col(Organization.active), _reads_directory(principal))


@kept
def visible_services(principal: Principal) -> SelectOfScalar[Service]:
    """Services of organisations, where both are active; administrators see the others too."""
    services = select(Service)
    if principal.has(Role.ADMINISTRATOR):
        return services
    listed = visible_organizations(principal).with_only_columns(col(Organization.id))
    return services.where(col(Service.active), col(Service.organization_id).in_(listed))


@kept
def own_services(principal: Principal) -> SelectOfScalar[Service]:
    """The services in use of a partner's own organisation."""
    return select(Service).where(_is_own(principal, Service.organization_id), col(Service.active))


def offers(province: str | None, populations: list[Population] | None) -> list[Any]:
    """Return the conditions that a service serves a province and takes one of the populations."""
    conditions: list[Any] = []
    if province is not None:
        provinces = col(Service.provinces)
        conditions.append(or_(provinces == [], provinces.contains([province])))
    if populations is not None:
        taken = col(Service.populations)
        conditions.append(or_(*(taken.contains([population]) for population in (*populations, Population.ANY))))
    return conditions


def capacities_of(services: list[UUID]) -> SelectOfScalar[Capacity]:
    """The beds of services that the caller has been found to see."""
    return select(Capacity).where(col(Capacity.service_id).in_(services)).order_by(col(Capacity.population))


@kept
def own_capacities(principal: Principal) -> SelectOfScalar[Capacity]:
    """The beds of a partner's own organisation."""
    services = own_services(principal).with_only_columns(col(Service.id))
    return select(Capacity).where(col(Capacity.service_id).in_(services))


@kept
def visible_referrals(principal: Principal) -> SelectOfScalar[Referral]:
    """A partner sees the referrals that reached a service of its own organisation; nothing else exists."""
    own = _is_own(principal, Referral.organization_id)
    return select(Referral).where(own, col(Referral.service_id).is_not(None))


@kept
def visible_endpoints(principal: Principal) -> SelectOfScalar[Endpoint]:
    """A partner's own endpoints; those it took away are gone."""
    there = col(Endpoint.disabled_reason).is_distinct_from(DisabledReason.DELETED)
    return select(Endpoint).where(_is_own(principal, Endpoint.organization_id), there)


@kept
def visible_deliveries(principal: Principal) -> SelectOfScalar[Delivery]:
    """Deliveries to a partner's own endpoints, also to those it took away."""
    own = select(Endpoint.id).where(_is_own(principal, Endpoint.organization_id))
    return select(Delivery).where(col(Delivery.endpoint_id).in_(own))


def attempts_of(deliveries: list[UUID]) -> SelectOfScalar[Attempt]:
    """The tries of deliveries that the caller has been found to see, oldest first."""
    return select(Attempt).where(col(Attempt.delivery_id).in_(deliveries)).order_by(col(Attempt.at), col(Attempt.id))


def messages_of(messages: list[str]) -> SelectOfScalar[Message]:
    """The messages of deliveries that the caller has been found to see."""
    return select(Message).where(col(Message.id).in_(messages))


def organization_for(event: ReferralRequested) -> SelectOfScalar[Organization]:
    """The organisation that an officer chose."""
    return select(Organization).where(Organization.id == event.organization_id)


def services_for(event: ReferralRequested) -> SelectOfScalar[Service]:
    """The services in use of the organisation that an officer chose."""
    return select(Service).where(Service.organization_id == event.organization_id, col(Service.active))


def capacities_for(event: ReferralRequested) -> SelectOfScalar[Capacity]:
    """The beds of the organisation that an officer chose."""
    services = services_for(event).with_only_columns(col(Service.id))
    return select(Capacity).where(col(Capacity.service_id).in_(services))


def referral_for(event: ReferralRequested) -> SelectOfScalar[Referral]:
    """The referral that was asked for, if it is known already."""
    return select(Referral).where(Referral.id == event.referral_id)


def tombstones_for(event: ReferralRequested) -> SelectOfScalar[Tombstone]:
    """What ended before a referral came to be known: its consent, or its case at a time after it was asked for."""
    consent = and_(col(Tombstone.ended) == Ended.REFERRAL, col(Tombstone.subject_id) == event.referral_id)
    case = and_(
        col(Tombstone.ended) == Ended.CASE,
        col(Tombstone.subject_id) == event.case_id,
        col(Tombstone.ended_at) >= event.requested_at,
    )
    # A withdrawn consent says more than the end of the case, and comes first.
    return select(Tombstone).where(or_(consent, case)).order_by(col(Tombstone.ended).desc()).limit(1)


def referrals_for(event: ConsentWithdrawn | CaseClosed) -> SelectOfScalar[Referral]:
    """The referrals that end with a consent, or all of a case; in the order in which they are to be locked."""
    referrals = select(Referral).where(Referral.case_id == event.case_id).order_by(col(Referral.seq))
    if isinstance(event, ConsentWithdrawn):
        return referrals.where(col(Referral.id).in_(event.referral_ids))
    return referrals


def tombstone_of(ended: Ended, subject_id: UUID) -> SelectOfScalar[Tombstone]:
    """What is known of the end of a case or a consent."""
    return select(Tombstone).where(Tombstone.ended == ended, Tombstone.subject_id == subject_id)


def endpoints_of(organization_id: UUID) -> SelectOfScalar[Endpoint]:
    """Where an organisation wants to be told."""
    return select(Endpoint).where(Endpoint.organization_id == organization_id, col(Endpoint.active))


def beds_for(referral: Referral) -> SelectOfScalar[Capacity]:
    """The beds at a referral's service that its client may have; in the order in which all beds are locked."""
    beds = select(Capacity).where(
        Capacity.service_id == referral.service_id,
        col(Capacity.population).in_((referral.population, Population.ANY)),
    )
    return _in_locking_order(beds)


def beds_held_for(referrals: list[UUID]) -> SelectOfScalar[Capacity]:
    """The beds held for referrals, in the order in which all beds are locked."""
    held = holds_of(referrals).with_only_columns(col(BedHold.capacity_id))
    return _in_locking_order(select(Capacity).where(col(Capacity.id).in_(held)))


def holds_of(referrals: list[UUID]) -> SelectOfScalar[BedHold]:
    """The beds held for referrals and not released yet."""
    return select(BedHold).where(col(BedHold.referral_id).in_(referrals), col(BedHold.released_at).is_(None))


def endpoint_of(delivery_endpoint_id: UUID) -> SelectOfScalar[Endpoint]:
    """The endpoint that the dispatcher has just tried."""
    return select(Endpoint).where(Endpoint.id == delivery_endpoint_id)


def _in_locking_order(beds: SelectOfScalar[Capacity]) -> SelectOfScalar[Capacity]:
    """Beds for anybody last: an acceptance locks its population's beds before them, and two must never cross."""
    return beds.order_by(col(Capacity.population) == Population.ANY, col(Capacity.id))


VISIBLE: dict[str, Any] = {
    "organization": visible_organizations,
    "service": visible_services,
    "referral": visible_referrals,
    "endpoint": visible_endpoints,
}


def _count(table: type[Any], *conditions: Any) -> Any:
    return select(func.count()).select_from(table).where(*conditions)


_earlier = aliased(Delivery)
_waits_for_another = (
    select(_earlier.id)
    .where(
        col(_earlier.endpoint_id) == Delivery.endpoint_id,
        col(_earlier.referral_id) == Delivery.referral_id,
        col(_earlier.status) == DeliveryStatus.PENDING,
        col(_earlier.seq) < Delivery.seq,
    )
    .exists()
)
_sent_to = select(Endpoint.id).join(Organization).where(col(Endpoint.active), col(Organization.active))
_on_time = func.now() - timedelta(minutes=5)
FIGURES = (
    Figure(
        "baoho_deliveries_overdue",
        "Messages to partners that have been due for five minutes, and that nothing stands before.",
        _count(
            Delivery,
            Delivery.status == DeliveryStatus.PENDING,
            col(Delivery.due_at) < _on_time,
            or_(col(Delivery.leased_until).is_(None), col(Delivery.leased_until) < func.now()),
            col(Delivery.endpoint_id).in_(_sent_to),
            ~_waits_for_another,
        ),
    ),
    Figure(
        "baoho_endpoints_failing",
        "Partners' addresses whose last answer was none.",
        _count(Endpoint, col(Endpoint.active), col(Endpoint.failing_since).is_not(None)),
    ),
    Figure(
        "baoho_endpoints_disabled",
        "Partners' addresses that were given up.",
        _count(Endpoint, col(Endpoint.disabled_reason).in_((DisabledReason.FAILING, DisabledReason.GONE))),
    ),
    Figure(
        "baoho_referrals_overdue",
        "Referrals that no partner answered in time.",
        _count(Referral, Referral.status == ReferralStatus.ROUTED, col(Referral.due_at) < func.now()),
    ),
)
