"""Screenings and the tasks that follow from them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, StringConstraints

from services.intake.models import Answer, Decision, TaskKind, TaskStatus
from shared import codes
from shared.schema import Input, Narrative, Output
from shared.validation import ExpectedError


def _all_eleven(answers: dict[str, Answer]) -> dict[str, Answer]:
    if answers.keys() != {row.code for row in codes.forced_labour_indicators.all()}:
        raise ExpectedError(
            f"đủ các mã của danh sách {codes.forced_labour_indicators.name}",
            f"every code of the list {codes.forced_labour_indicators.name}",
        )
    return answers


class ScreeningCreate(Input):
    """All 11 indicators of the ILO, each with an answer, and what the answers rest on."""

    indicators: Annotated[dict[str, Answer], AfterValidator(_all_eleven)]
    evidence: Narrative | None = None


class ScreeningRead(Output):
    """A screening; `indications` are the codes answered yes, `task_id` the review they call for."""

    id: UUID
    case_id: UUID
    indicators: dict[str, Answer]
    indications: list[str]
    evidence: str | None
    recorded_by: str
    recorded_at: datetime


class RecordedScreening(ScreeningRead):
    """What the recorder gets back; `task_id` is null where nothing was answered yes."""

    task_id: UUID | None


class TaskRead(Output):
    """A task in a list: no name, no note."""

    id: UUID
    case_id: UUID
    screening_id: UUID
    kind: TaskKind
    status: TaskStatus
    due_at: datetime
    recorded_by: str
    decision: Decision | None
    decided_by: str | None
    decided_at: datetime | None
    version: int


class DecidedTask(TaskRead):
    """A task with the reviewer's own words."""

    note: str | None


class TaskDecision(Input):
    """What the reviewer decides, and why."""

    decision: Decision
    note: Annotated[str, StringConstraints(min_length=1, max_length=4000)] | None = None
