"""Screenings for indicators of forced labour, and the reviewers' tasks that follow from them."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlmodel import Field

from services.intake.models.base import IntakeBase
from shared.clock import now
from shared.columns import Versioned, choice, document, instant, key, sealed, sequence


class Answer(StrEnum):
    """Whether an indicator was found; not knowing is an answer of its own."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class TaskKind(StrEnum):
    """What a reviewer is asked for."""

    SCREENING_REVIEW = "screening_review"


class TaskStatus(StrEnum):
    """Whether a reviewer has decided."""

    OPEN = "open"
    DONE = "done"


class Decision(StrEnum):
    """What a reviewer decides; identification itself is for the competent body."""

    REFER_FOR_IDENTIFICATION = "refer_for_identification"
    CONTINUE_SUPPORT = "continue_support"
    NO_INDICATION = "no_indication"


class Screening(IntakeBase, table=True):
    """One pass through the 11 indicators of the ILO; what it shows is an indication, never a verdict."""

    __tablename__ = "screening"

    id: UUID = key()
    seq: int | None = sequence()
    case_id: UUID = Field(foreign_key="case_file.id", index=True)
    indicators: dict[str, str] = document()
    """Every code of `codes.forced_labour_indicators` with its `Answer`."""
    evidence: bytes | None = sealed()
    """Sealed under the person."""
    recorded_by: str
    recorded_at: datetime = instant(default_factory=now)


class Task(IntakeBase, Versioned, table=True):
    """Something a supervisor must decide, by a time."""

    __tablename__ = "task"

    seq: int | None = sequence()
    case_id: UUID = Field(foreign_key="case_file.id", index=True)
    screening_id: UUID = Field(foreign_key="screening.id", unique=True)
    kind: TaskKind = choice(TaskKind, default=TaskKind.SCREENING_REVIEW)
    status: TaskStatus = choice(TaskStatus, default=TaskStatus.OPEN)
    due_at: datetime = instant()
    recorded_by: str
    """Who recorded the screening, and so may not review it."""
    decision: Decision | None = choice(Decision, default=None)
    decided_by: str | None = None
    decided_at: datetime | None = instant(default=None)
    note: bytes | None = sealed()
    """Sealed under the person."""
