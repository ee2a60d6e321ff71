"""What goes over the hotline's wire."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from services.hotline.models import CaseStatus, Category, Priority, Progress
from shared.person import PersonDetails, StoredPerson
from shared.schema import ComplaintCode, CountryCode, Input, LanguageCode, Narrative, OfficeCode, Output

Reference = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9/._-]{0,63}$")]


class CaseCreate(Input):
    """A case as a mission posts it; `reference` is the mission's own, and posting it again is harmless."""

    reference: Reference
    country: CountryCode
    category: Category
    complaint_types: list[ComplaintCode] = Field(default_factory=list, max_length=19)
    language: LanguageCode = "vi"
    person: PersonDetails = PersonDetails()
    narrative: Narrative


class Triage(Input):
    """How urgent the case is; below what stands, or what the rules suggest, a reason is needed."""

    priority: Priority
    reason: Annotated[str, StringConstraints(min_length=1, max_length=1000)] | None = None


class HandOver(Input):
    """The office that takes the case on."""

    office: OfficeCode


class CaseSummary(Output):
    """A case in a list: no name, no narrative."""

    id: UUID
    reference: str
    country: str
    category: Category
    status: CaseStatus
    priority: Priority
    progress: Progress
    created_at: datetime


class CaseRead(CaseSummary):
    """A case with who it is about; null where the person was erased. `office` is null for a mission."""

    complaint_types: list[str]
    language: str
    office: str | None
    person: StoredPerson | None
    narrative: str | None
    version: int


class PostedCase(CaseSummary):
    """What the poster gets back: nothing it did not know, and the case's id."""

    suggested_priority: Priority
    version: int
