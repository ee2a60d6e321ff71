"""The hotline's API: missions post and follow, operators triage and hand over, intake fetches what was handed over."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Response
from fastapi import status as http
from sqlmodel import Session, col

from services.hotline import access, rules
from services.hotline.access import CanFetchHandOver, CanHandOver, CanPostCase, CanReadCases, CanTriage
from services.hotline.models import CaseStatus, HotlineCase
from services.hotline.schemas import CaseCreate, CaseRead, CaseSummary, HandOver, PostedCase, Triage
from shared import codes
from shared.access import answers_with, locked, one, store
from shared.audit import record_read
from shared.auth import Principal
from shared.clock import now
from shared.concurrency import take_turn
from shared.contracts.hotline import HandOverDetails, HotlineCaseHandedOver, HotlineCasePosted, HotlineCaseTriaged
from shared.edge import SessionDep, router
from shared.errors import Conflict, Forbidden
from shared.outbox import publish
from shared.paging import SEVERAL, Page, Paging
from shared.people import open_sealed, seal
from shared.permissions import Permission
from shared.person import StoredPerson
from shared.runtime import runtime_of

api = router("/hotline/v1")
POSTED_BEFORE: dict[str, Any] = {"model": PostedCase, "description": "The case as it was posted before."}
_PLAIN = {"reference", "country", "category", "complaint_types", "language"}
CaseStatusFilter = Annotated[list[CaseStatus] | None, SEVERAL, Query()]


@api.post("/cases", status_code=http.HTTP_201_CREATED, responses={http.HTTP_200_OK: POSTED_BEFORE})
def post_case(body: CaseCreate, poster: CanPostCase, session: SessionDep, response: Response) -> PostedCase:
    """Post a case under the mission's own reference; the same again answers 200 and the same case, other content 409."""
    if not access.posts_for(poster, body.country):
        raise Forbidden(permission=Permission.HOTLINE_CASE_POST.value)
    mission = access.mission_of(poster)
    take_turn(session, "hotline reference", mission, body.reference)
    posted = session.exec(
        access.visible_cases(poster).where(*access.is_posted_as(mission, body.reference))
    ).one_or_none()
    contents = runtime_of(session).vault.macs("posted-content", body.model_dump_json().encode())
    if posted is not None:
        if posted.content_mac not in contents and not _says(session, posted, body):
            raise Conflict("reference_used")
        response.status_code = http.HTTP_200_OK
        return _posted(answers_with(session, posted))
    case = store(session, _new_case(session, body, mission, contents[0]))
    publish(session, case, HotlineCasePosted(hotline_case_id=case.id, country=case.country, category=case.category))
    response.headers["Location"] = f"/hotline/v1/cases/{case.id}"
    return _posted(case)


@api.get("/cases")
def list_cases(
    reader: CanReadCases, session: SessionDep, paging: Paging, status: CaseStatusFilter = None
) -> Page[CaseSummary]:
    """List the cases the caller may see, newest first; `status=posted,triaged` filters."""
    cases = access.visible_cases(reader)
    if status is not None:
        cases = cases.where(col(HotlineCase.status).in_(status))
    return paging.page(session, cases, HotlineCase.seq, CaseSummary)


@api.get("/cases/{case_id}")
def read_case(case_id: UUID, reader: CanReadCases, session: SessionDep) -> CaseRead:
    """Read one case with who it is about; the reading is recorded."""
    case = one(session, access.visible_cases(reader).where(HotlineCase.id == case_id))
    return _opened(session, reader, case)


@api.post("/cases/{case_id}/triage")
def triage_case(case_id: UUID, body: Triage, operator: CanTriage, session: SessionDep) -> CaseRead:
    """Set how urgent a case is; lowering it needs a reason; the reading is recorded."""
    case = locked(session, access.visible_cases(operator).where(HotlineCase.id == case_id))
    rules.triage(case, body.priority, reason_given=body.reason is not None)
    case.triage_reason = seal(session, case.caller_id, "hotline_case.triage_reason", body.reason)
    publish(session, case, HotlineCaseTriaged(hotline_case_id=case.id, priority=case.priority))
    return _opened(session, operator, case)


@api.post("/cases/{case_id}/hand-over")
def hand_over_case(case_id: UUID, body: HandOver, operator: CanHandOver, session: SessionDep) -> CaseRead:
    """Hand a triaged case to an office at home, which opens a file and fetches the details itself."""
    case = locked(session, access.visible_cases(operator).where(HotlineCase.id == case_id))
    rules.advance(case, CaseStatus.HANDED_OVER)
    case.office, case.handed_over_at = body.office, now()
    publish(session, case, _handed_over(case, body.office))
    return _opened(session, operator, case)


@api.get("/hand-overs/{case_id}")
def fetch_hand_over(case_id: UUID, service: CanFetchHandOver, session: SessionDep) -> HandOverDetails:
    """Give intake the details of a case that was handed over to it; the reading is recorded."""
    case = one(session, access.visible_hand_overs(service).where(HotlineCase.id == case_id))
    record_read(session, case)
    person = _person(session, case) or StoredPerson()
    narrative = open_sealed(session, case.caller_id, "hotline_case.narrative", case.narrative)
    return HandOverDetails(
        hotline_case_id=case.id,
        language=case.language,
        narrative=narrative or "",
        complaint_types=case.complaint_types,
        received_at=case.created_at,
        **person.model_dump(),
    )


def _says(session: Session, posted: HotlineCase, body: CaseCreate) -> bool:
    """Compare with what is sealed: the key that the MAC was made with may have been rotated away."""
    plain = body.model_dump(include=_PLAIN)
    return (
        posted.model_dump(include=_PLAIN) == plain
        and open_sealed(session, posted.caller_id, "hotline_case.caller", posted.caller)
        == body.person.model_dump_json()
        and open_sealed(session, posted.caller_id, "hotline_case.narrative", posted.narrative) == body.narrative
    )


def _new_case(session: Session, body: CaseCreate, mission: str, content: bytes) -> HotlineCase:
    case = HotlineCase(
        mission=mission,
        content_mac=content,
        priority=rules.suggested_priority(body.category, body.complaint_types),
        **body.model_dump(include=_PLAIN),
    )
    case.caller = seal(session, case.caller_id, "hotline_case.caller", body.person.model_dump_json())
    case.narrative = seal(session, case.caller_id, "hotline_case.narrative", body.narrative)
    return case


def _posted(case: HotlineCase) -> PostedCase:
    suggested = rules.suggested_priority(case.category, case.complaint_types)
    summary = CaseSummary.model_validate(case).model_dump()
    return PostedCase(**summary, suggested_priority=suggested, version=case.version)


def _opened(session: Session, reader: Principal, case: HotlineCase) -> CaseRead:
    """Show who a case is about, and record that it was shown."""
    record_read(session, case)
    return CaseRead(
        **CaseSummary.model_validate(case).model_dump(),
        complaint_types=case.complaint_types,
        language=case.language,
        office=case.office if access.sees_office(reader) else None,
        person=_person(session, case),
        narrative=open_sealed(session, case.caller_id, "hotline_case.narrative", case.narrative),
        version=case.version,
    )


def _person(session: Session, case: HotlineCase) -> StoredPerson | None:
    text = open_sealed(session, case.caller_id, "hotline_case.caller", case.caller)
    return StoredPerson.model_validate_json(text) if text is not None else None


def _handed_over(case: HotlineCase, office: str) -> HotlineCaseHandedOver:
    listed = codes.offices.get(office)
    return HotlineCaseHandedOver(
        hotline_case_id=case.id,
        office=office,
        province=listed.province if listed else "",
        country=case.country,
        category=case.category,
        priority=case.priority,
    )


ROUTERS = (api,)
