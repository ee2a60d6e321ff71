"""Agencies: clerks register them and record how their licences stand; an agency reads itself alone."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from fastapi import status as http
from sqlmodel import Session, col

from services.registry import access, rules
from services.registry.access import CanReadAgencies, CanRegisterAgency
from services.registry.models import Agency, LicenceEvent, LicenceStatus
from services.registry.schemas import AgencyCreate, AgencyRead, AgencySummary, AgencyUpdate, LicenceEventRead
from shared.access import locked, one, store
from shared.auth import Principal
from shared.clock import today
from shared.concurrency import take_turn
from shared.edge import SessionDep, router
from shared.errors import Conflict
from shared.paging import SEVERAL, Page, Paging
from shared.schema import Day

api = router("/registry/v1/agencies")
StatusFilter = Annotated[list[LicenceStatus] | None, SEVERAL, Query()]
OnDay = Annotated[Day | None, Query(description="The day for which `licence_status_then` is told.")]
LICENCE = {"licence_status", "licence_status_on"}


@api.post("", status_code=http.HTTP_201_CREATED)
def register_agency(
    body: AgencyCreate, clerk: CanRegisterAgency, session: SessionDep, response: Response
) -> AgencyRead:
    """Register an agency; an enterprise code that is registered already answers 409 with the agency that has it."""
    take_turn(session, "enterprise code", body.enterprise_code)
    same_code = access.visible_agencies(clerk).where(Agency.enterprise_code == body.enterprise_code)
    registered = session.exec(same_code).one_or_none()
    if registered is not None:
        raise Conflict("agency_registered", agency_id=str(registered.id))
    agency = store(session, Agency(**body.model_dump()))
    _add_event(session, agency, body.licence_status, body.licence_status_on)
    response.headers["Location"] = f"/registry/v1/agencies/{agency.id}"
    return _shown(session, clerk, agency)


@api.get("")
def list_agencies(
    reader: CanReadAgencies,
    session: SessionDep,
    paging: Paging,
    licence_status: StatusFilter = None,
    enterprise_code: Annotated[str | None, Query(max_length=14)] = None,
) -> Page[AgencySummary]:
    """List the agencies the caller may see, newest first; `licence_status=suspended,revoked` filters."""
    agencies = access.visible_agencies(reader)
    if licence_status is not None:
        agencies = agencies.where(col(Agency.licence_status).in_(licence_status))
    if enterprise_code is not None:
        agencies = agencies.where(Agency.enterprise_code == enterprise_code)
    return paging.page(session, agencies, Agency.seq, AgencySummary)


@api.get("/{agency_id}")
def read_agency(agency_id: UUID, reader: CanReadAgencies, session: SessionDep, on: OnDay = None) -> AgencyRead:
    """Read one agency with the history of its licence, and how it stood on a day."""
    agency = one(session, access.visible_agencies(reader).where(Agency.id == agency_id))
    return _shown(session, reader, agency, on)


@api.patch("/{agency_id}")
def amend_agency(agency_id: UUID, body: AgencyUpdate, clerk: CanRegisterAgency, session: SessionDep) -> AgencyRead:
    """Change what is known of an agency, or record that its licence took a status on a day."""
    agency = locked(session, access.visible_agencies(clerk).where(Agency.id == agency_id))
    agency.sqlmodel_update(body.model_dump(exclude_none=True, exclude=LICENCE))
    if body.licence_status is not None and body.licence_status_on is not None:
        _add_event(session, agency, body.licence_status, body.licence_status_on)
        rules.note_licence(agency, _history(session, clerk, agency))
    return _shown(session, clerk, agency)


def _add_event(session: Session, agency: Agency, status: LicenceStatus, on: date) -> None:
    store(session, LicenceEvent(agency_id=agency.id, status=status, status_on=on))


def _history(session: Session, principal: Principal, agency: Agency) -> list[LicenceEvent]:
    events = access.visible_licence_events(principal).where(LicenceEvent.agency_id == agency.id)
    return list(session.exec(events.order_by(col(LicenceEvent.status_on), col(LicenceEvent.seq))))


def _shown(session: Session, principal: Principal, agency: Agency, on: date | None = None) -> AgencyRead:
    history = _history(session, principal, agency)
    return AgencyRead(
        **AgencySummary.model_validate(agency).model_dump(),
        address=agency.address,
        phone=agency.phone,
        website=agency.website,
        licence_history=[LicenceEventRead.model_validate(event) for event in history],
        licence_status_then=rules.status_on(history, on or today()),
        version=agency.version,
    )
