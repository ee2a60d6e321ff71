"""What the hotline stores: cases as missions posted them, and how far they went."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import UniqueConstraint
from sqlmodel import Field, SQLModel

from shared.columns import Versioned, choice, document, instant, new_registry, sealed, sequence
from shared.ids import new_id

_registry = new_registry()
metadata = _registry.metadata


class HotlineBase(SQLModel, registry=_registry):
    """The tables of the hotline."""


class Category(StrEnum):
    """What a call or a post is about (the Citizen Protection Hotline's categories)."""

    CHILD_CUSTODY = "child_custody"
    DEATH = "death"
    DETENTION = "detention"
    DISASTER = "disaster"
    FISHERMEN = "fishermen"
    ILLNESS_ACCIDENT = "illness_accident"
    INFORMATION = "information"
    LABOUR_DISPUTE = "labour_dispute"
    LOST_PASSPORT = "lost_passport"
    MISSING_PERSON = "missing_person"
    ROBBERY_ASSAULT = "robbery_assault"
    SEAFARERS = "seafarers"
    STRANDED = "stranded"
    TRAFFICKING = "trafficking"
    VIOLENCE = "violence"


class Priority(StrEnum):
    """How soon someone must act: P0 danger to life, P1 liberty or health, P2 stranded or deprived, P3 information."""

    P0 = "p0"
    P1 = "p1"
    P2 = "p2"
    P3 = "p3"


class CaseStatus(StrEnum):
    """Where a case stands at the hotline."""

    POSTED = "posted"
    TRIAGED = "triaged"
    HANDED_OVER = "handed_over"


class Progress(StrEnum):
    """All that a mission learns of what happens at home."""

    NONE = "none"
    OPENED = "opened"
    IN_CARE = "in_care"
    CLOSED = "closed"


class HotlineCase(HotlineBase, Versioned, table=True):
    """A case as a mission or an operator posted it; who it is about is sealed under `caller_id`."""

    __tablename__ = "hotline_case"
    __table_args__ = (UniqueConstraint("mission", "reference"),)

    seq: int | None = sequence()
    mission: str
    """Who posted: the organisation of the token, else its country; references are unique within it."""
    reference: str
    content_mac: bytes | None = sealed()
    """What was posted under this reference, to tell a repeat from a contradiction."""
    country: str = Field(index=True)
    category: Category = choice(Category)
    complaint_types: list[str] = document()
    language: str
    caller_id: UUID = Field(default_factory=new_id)
    caller: bytes | None = sealed()
    narrative: bytes | None = sealed()
    status: CaseStatus = choice(CaseStatus, default=CaseStatus.POSTED)
    priority: Priority = choice(Priority)
    triage_reason: bytes | None = sealed()
    office: str | None = None
    handed_over_at: datetime | None = instant(default=None)
    progress: Progress = choice(Progress, default=Progress.NONE)
