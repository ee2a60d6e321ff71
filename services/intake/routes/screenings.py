"""Screenings for indicators of forced labour, and the reviews they call for: the system indicates, a person decides."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from fastapi import status as http
from sqlmodel import Session, col

from services.intake import access, rules
from services.intake.access import CanReadCases, CanReadTasks, CanReview, CanScreen
from services.intake.actions import tell
from services.intake.models import CaseFile, Screening, Task, TaskStatus, Told
from services.intake.schemas.screenings import (
    DecidedTask,
    RecordedScreening,
    ScreeningCreate,
    ScreeningRead,
    TaskDecision,
    TaskRead,
)
from shared.access import locked, one
from shared.audit import record_read
from shared.clock import now, today
from shared.edge import SessionDep, router
from shared.paging import SEVERAL, Page, Paging
from shared.people import open_sealed, seal

EVIDENCE = "screening.evidence"
NOTE = "task.note"

api = router("/intake/v1")
TaskStatusFilter = Annotated[list[TaskStatus] | None, SEVERAL, Query()]


@api.post("/cases/{case_id}/screenings", status_code=http.HTTP_201_CREATED)
def record_screening(
    case_id: UUID, body: ScreeningCreate, officer: CanScreen, session: SessionDep
) -> RecordedScreening:
    """Record all 11 indicators; one yes is enough for a reviewer to be asked."""
    case = locked(session, access.visible_cases(officer).where(CaseFile.id == case_id))
    rules.refuse_closed(case)
    screening = Screening(case_id=case.id, indicators={**body.indicators}, recorded_by=officer.subject)
    screening.evidence = seal(session, case.person_id, EVIDENCE, body.evidence)
    session.add(screening)
    task = _review_of(screening)
    if task is not None:
        session.add(task)
    found = rules.indications(screening.indicators)
    tell(session, case, Told.SCREENING_RECORDED, screening_id=str(screening.id), indications=found)
    session.flush()
    read = _opened(session, case, screening)
    return RecordedScreening(**read.model_dump(), task_id=task.id if task else None)


@api.get("/cases/{case_id}/screenings")
def list_screenings(case_id: UUID, reader: CanReadCases, session: SessionDep, paging: Paging) -> Page[ScreeningRead]:
    """List a case's screenings with what they rest on, newest first; the reading is recorded."""
    case = one(session, access.visible_cases(reader).where(CaseFile.id == case_id))
    screenings = access.visible_screenings(reader).where(Screening.case_id == case_id)
    rows, following = paging.rows(session, screenings, Screening.seq)
    return Page(items=[_opened(session, case, row) for row in rows], next=following)


@api.get("/tasks")
def list_tasks(
    reader: CanReadTasks, session: SessionDep, paging: Paging, status: TaskStatusFilter = None
) -> Page[TaskRead]:
    """List the reviews of visible cases, newest first; nobody is named in them."""
    tasks = access.visible_tasks(reader)
    if status is not None:
        tasks = tasks.where(col(Task.status).in_(status))
    return paging.page(session, tasks, Task.seq, TaskRead)


@api.post("/tasks/{task_id}/decision")
def decide_task(task_id: UUID, body: TaskDecision, reviewer: CanReview, session: SessionDep) -> DecidedTask:
    """Decide what an indication leads to; nobody reviews what they recorded themselves."""
    task = locked(session, access.visible_tasks(reviewer).where(Task.id == task_id))
    case = session.exec(access.visible_cases(reviewer).where(CaseFile.id == task.case_id)).one()
    rules.decide(task, body.decision, reviewer.subject, now())
    task.note = seal(session, case.person_id, NOTE, body.note)
    tell(session, case, Told.REVIEW_DECIDED, task_id=str(task.id), decision=body.decision)
    return DecidedTask(**TaskRead.model_validate(task).model_dump(), note=body.note)


def _review_of(screening: Screening) -> Task | None:
    """Return the task of looking at what was indicated, None where nothing was."""
    found = rules.indications(screening.indicators)
    if not found:
        return None
    return Task(
        case_id=screening.case_id,
        screening_id=screening.id,
        due_at=rules.review_due(found, today()),
        recorded_by=screening.recorded_by,
    )


def _opened(session: Session, case: CaseFile, screening: Screening) -> ScreeningRead:
    record_read(session, screening)
    return ScreeningRead.model_validate(
        {
            **screening.model_dump(exclude={"evidence"}),
            "indications": rules.indications(screening.indicators),
            "evidence": open_sealed(session, case.person_id, EVIDENCE, screening.evidence),
        }
    )
