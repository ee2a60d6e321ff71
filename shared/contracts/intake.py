"""What intake promises: facts about cases, referrals asked for, and consent withdrawn."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from shared.contracts.audit import AuditSealed
from shared.events import Classification, Event


class CaseOpened(Event):
    """A file was opened at an office."""

    type: ClassVar[str] = "intake.case_opened.v1"

    case_id: UUID
    office: str
    province: str
    hotline_case_id: UUID | None = None


class CaseInCare(Event):
    """A partner took the case on, or the office gave a service itself."""

    type: ClassVar[str] = "intake.case_in_care.v1"

    case_id: UUID
    hotline_case_id: UUID | None = None


class CaseClosed(Event):
    """The case ended, confirmed by the client."""

    type: ClassVar[str] = "intake.case_closed.v1"

    case_id: UUID
    outcome: str
    hotline_case_id: UUID | None = None
    closed_at: datetime | None = None
    """Tells what was asked for before the case ended from what is asked for after it was reopened."""


class CaseReopened(Event):
    """A closed case goes on."""

    type: ClassVar[str] = "intake.case_reopened.v1"

    case_id: UUID
    hotline_case_id: UUID | None = None


class ContractLinkRequested(Event):
    """Intake asks which contract belongs to the person of a case."""

    type: ClassVar[str] = "intake.contract_link_requested.v1"
    classification: ClassVar[Classification] = Classification.PSEUDONYMOUS

    case_id: UUID
    pseudonym: str


class ViolationAlleged(Event):
    """A complaint alleges a violation against an agency; an allegation, never a finding of guilt."""

    type: ClassVar[str] = "intake.violation_alleged.v1"

    case_id: UUID
    agency_id: UUID
    contract_id: UUID
    allegations: list[str]
    """Codes of complaint types and of findings."""
    clauses: list[int]
    """Clauses of Article 7, Law 69/2020/QH14."""


class ReferralRequested(Event):
    """An officer asks a partner's service for a client who consented to it."""

    type: ClassVar[str] = "intake.referral_requested.v1"

    referral_id: UUID
    case_id: UUID
    organization_id: UUID
    service_type: str
    priority: str
    province: str
    population: str
    needs_bed: bool
    requested_at: datetime


class ConsentWithdrawn(Event):
    """A client withdrew a consent; the referrals that stood on it end."""

    type: ClassVar[str] = "intake.consent_withdrawn.v1"

    case_id: UUID
    consent_id: UUID
    referral_ids: list[UUID]


class IntakeAuditSealed(AuditSealed):
    """How far the audit chain of intake reaches."""

    type: ClassVar[str] = "intake.audit_sealed.v1"


EVENTS: tuple[type[Event], ...] = (
    CaseOpened,
    CaseInCare,
    CaseClosed,
    CaseReopened,
    ContractLinkRequested,
    ViolationAlleged,
    ReferralRequested,
    ConsentWithdrawn,
    IntakeAuditSealed,
)
