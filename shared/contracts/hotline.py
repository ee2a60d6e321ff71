"""What the hotline promises: facts about posted cases, and the details it hands over."""

from datetime import date, datetime
from typing import ClassVar
from uuid import UUID

from pydantic import Field

from shared.contracts.audit import AuditSealed
from shared.events import Event
from shared.fetch import ReadModel


class HotlineCasePosted(Event):
    """A mission or an operator posted a case."""

    type: ClassVar[str] = "hotline.case_posted.v1"

    hotline_case_id: UUID
    country: str
    category: str


class HotlineCaseTriaged(Event):
    """An operator set how urgent a case is."""

    type: ClassVar[str] = "hotline.case_triaged.v1"

    hotline_case_id: UUID
    priority: str


class HotlineCaseHandedOver(Event):
    """A case was handed to an office at home; the office's service fetches the details."""

    type: ClassVar[str] = "hotline.case_handed_over.v1"

    hotline_case_id: UUID
    office: str
    province: str
    country: str
    category: str
    priority: str


class HandOverDetails(ReadModel):
    """Who is in need and what happened; offered to intake alone, for cases that were handed over."""

    owner: ClassVar[str] = "hotline"
    path: ClassVar[str] = "/hotline/v1/hand-overs/{hotline_case_id}"

    hotline_case_id: UUID
    name: str | None
    born_on: date | None
    sex: str | None
    language: str
    document: str | None
    """`cccd`, `cmnd` or `passport`."""
    document_number: str | None
    phone: str | None
    narrative: str
    complaint_types: list[str] = Field(default_factory=list)
    received_at: datetime


class HotlineAuditSealed(AuditSealed):
    """How far the audit chain of the hotline reaches."""

    type: ClassVar[str] = "hotline.audit_sealed.v1"


EVENTS: tuple[type[Event], ...] = (HotlineCasePosted, HotlineCaseTriaged, HotlineCaseHandedOver, HotlineAuditSealed)
