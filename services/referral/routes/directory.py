"""The directory of organisations and services, and the beds that managers count."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Response
from fastapi import status as http
from sqlmodel import Session, col

from services.referral import access, rules
from services.referral.access import CanEditBeds, CanEditDirectory, CanReadDirectory
from services.referral.models import Capacity, Organization, Service
from services.referral.schemas import (
    BedCount,
    CapacityCounted,
    CapacityRead,
    OrganizationCreate,
    OrganizationRead,
    OrganizationUpdate,
    ServiceCreate,
    ServiceRead,
    ServiceUpdate,
)
from shared.access import locked, one, store
from shared.clock import now
from shared.concurrency import take_turn
from shared.contracts.referral import OrganizationListed, Population, ServiceType
from shared.edge import SessionDep, router
from shared.errors import Conflict, NotFound, StaleVersion
from shared.outbox import publish
from shared.paging import SEVERAL, Page, Paging
from shared.runtime import act_of
from shared.schema import ProvinceCode

api = router("/referral/v1")
FIRST_COUNT: dict[str, Any] = {"model": CapacityCounted, "description": "The first count for this population."}
ServiceTypeFilter = Annotated[list[ServiceType] | None, SEVERAL, Query()]
ProvinceFilter = Annotated[ProvinceCode | None, Query()]
PopulationFilter = Annotated[list[Population] | None, SEVERAL, Query()]


@api.post("/organizations", status_code=http.HTTP_201_CREATED)
def list_organization(
    body: OrganizationCreate, editor: CanEditDirectory, session: SessionDep, response: Response
) -> OrganizationRead:
    """Put an organisation into the directory; its `id` is what its people's tokens carry in `org`."""
    organization = Organization(**body.model_dump(exclude={"id"}))
    if body.id is not None:
        organization.id = body.id
        _refuse_twice(session, editor, body.id)
    store(session, organization)
    _publish_listed(session, organization)
    response.headers["Location"] = f"/referral/v1/organizations/{organization.id}"
    return OrganizationRead.model_validate(organization)


@api.patch("/organizations/{organization_id}")
def update_organization(
    organization_id: UUID, body: OrganizationUpdate, editor: CanEditDirectory, session: SessionDep
) -> OrganizationRead:
    """Change an organisation; one that is no longer active receives no clients, and its people lose access at once."""
    organization = locked(session, access.visible_organizations(editor).where(Organization.id == organization_id))
    was_active = organization.active
    _change(organization, body)
    if organization.active != was_active:
        _publish_listed(session, organization)
    return OrganizationRead.model_validate(organization)


@api.get("/organizations")
def list_organizations(reader: CanReadDirectory, session: SessionDep, paging: Paging) -> Page[OrganizationRead]:
    """List the organisations of the directory, newest first."""
    return paging.page(session, access.visible_organizations(reader), Organization.seq, OrganizationRead)


@api.post("/organizations/{organization_id}/services", status_code=http.HTTP_201_CREATED)
def offer_service(
    organization_id: UUID, body: ServiceCreate, editor: CanEditDirectory, session: SessionDep, response: Response
) -> ServiceRead:
    """Say what an organisation offers, where and for whom."""
    offering = access.visible_organizations(editor).where(Organization.id == organization_id)
    if session.exec(offering).first() is None:
        raise NotFound
    service = store(session, Service(organization_id=organization_id, **_listed_once(body.model_dump())))
    response.headers["Location"] = f"/referral/v1/services/{service.id}"
    return _shown(service, [])


@api.patch("/services/{service_id}")
def update_service(service_id: UUID, body: ServiceUpdate, editor: CanEditDirectory, session: SessionDep) -> ServiceRead:
    """Change a service; one that is not active is not routed to."""
    service = locked(session, access.visible_services(editor).where(Service.id == service_id))
    _change(service, body)
    return _with_beds(session, [service])[0]


@api.get("/services")
def list_services(
    *,
    reader: CanReadDirectory,
    session: SessionDep,
    paging: Paging,
    service_type: ServiceTypeFilter = None,
    province: ProvinceFilter = None,
    population: PopulationFilter = None,
) -> Page[ServiceRead]:
    """List services with their free beds, newest first; what serves everywhere or everybody fits each filter."""
    services = access.visible_services(reader).where(*access.offers(province, population))
    if service_type is not None:
        services = services.where(col(Service.service_type).in_(service_type))
    rows, following = paging.rows(session, services, Service.seq)
    return Page(items=_with_beds(session, rows), next=following)


@api.get("/services/{service_id}")
def read_service(service_id: UUID, reader: CanReadDirectory, session: SessionDep) -> ServiceRead:
    """Read one service with its free beds."""
    service = one(session, access.visible_services(reader).where(Service.id == service_id))
    return _with_beds(session, [service])[0]


@api.put("/services/{service_id}/capacities/{population}", responses={http.HTTP_201_CREATED: FIRST_COUNT})
def count_beds(
    *,
    service_id: UUID,
    population: Population,
    body: BedCount,
    manager: CanEditBeds,
    session: SessionDep,
    response: Response,
) -> CapacityCounted:
    """Say how many beds there are for a population; `If-Match: *` for the first count, else the ETag of the last."""
    if session.exec(access.own_services(manager).where(Service.id == service_id)).first() is None:
        raise NotFound
    take_turn(session, "capacity", str(service_id), population)
    counted = access.own_capacities(manager).where(
        Capacity.service_id == service_id, col(Capacity.population) == population
    )
    if session.exec(counted).first() is None:
        response.status_code = http.HTTP_201_CREATED
        return _counted(_first_count(session, service_id, population, body.total))
    capacity = locked(session, counted)
    rules.count_beds(capacity, body.total, now())
    return _counted(capacity)


def _refuse_twice(session: Session, editor: CanEditDirectory, organization_id: UUID) -> None:
    take_turn(session, "organization", str(organization_id))
    known = access.visible_organizations(editor).where(Organization.id == organization_id)
    if session.exec(known).first() is not None:
        raise Conflict("organization_listed", organization_id=str(organization_id))


def _publish_listed(session: Session, organization: Organization) -> None:
    listed = OrganizationListed(organization_id=organization.id, active=organization.active)
    publish(session, organization, listed)


def _change(row: Organization | Service, body: OrganizationUpdate | ServiceUpdate) -> None:
    for name, value in _listed_once(body.model_dump(exclude_unset=True)).items():
        setattr(row, name, value)


def _listed_once(values: dict[str, Any]) -> dict[str, Any]:
    """Keep each code of a list once, in order: two spellings of the same list would look like a change."""
    return {name: sorted(set(value)) if isinstance(value, list) else value for name, value in values.items()}


def _first_count(session: Session, service_id: UUID, population: Population, total: int) -> Capacity:
    if act_of(session).if_match != "*":
        raise StaleVersion
    return store(session, Capacity(service_id=service_id, population=population, total=total, counted_at=now()))


def _counted(capacity: Capacity) -> CapacityCounted:
    return CapacityCounted(**_beds(capacity).model_dump(), service_id=capacity.service_id, held=capacity.held)


def _with_beds(session: Session, services: Sequence[Service]) -> list[ServiceRead]:
    """Show services with their beds, which one query brings for all of them."""
    beds: defaultdict[UUID, list[Capacity]] = defaultdict(list)
    for capacity in session.exec(access.capacities_of([service.id for service in services])):
        beds[capacity.service_id].append(capacity)
    return [_shown(service, beds[service.id]) for service in services]


def _shown(service: Service, capacities: list[Capacity]) -> ServiceRead:
    values = service.model_dump(include=set(ServiceRead.model_fields) - {"capacities"})
    return ServiceRead(**values, capacities=[_beds(capacity) for capacity in capacities])


def _beds(capacity: Capacity) -> CapacityRead:
    return CapacityRead(
        id=capacity.id,
        population=capacity.population,
        available=rules.free_beds(capacity, now()),
        maximum=capacity.total,
        updated=capacity.counted_at,
        version=capacity.version,
    )
