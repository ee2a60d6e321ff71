"""Cases: what happened to someone, how far the office is with it, which contract it hangs on, and its timeline."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Index
from sqlmodel import Field

from services.intake.models.base import IntakeBase
from shared.columns import Versioned, amount, choice, document, instant, key, sealed, sequence
from shared.ids import new_reference


class CaseStatus(StrEnum):
    """Where a case stands."""

    OPENED = "opened"
    IN_CARE = "in_care"
    RESOLVED = "resolved"
    CLOSED = "closed"


class Channel(StrEnum):
    """How the person came to the office."""

    WALK_IN = "walk_in"
    PHONE = "phone"
    ONLINE = "online"
    OUTREACH = "outreach"
    HOTLINE = "hotline"


class Priority(StrEnum):
    """How soon someone must act: P0 danger to life, P1 liberty or health, P2 stranded or deprived, P3 information."""

    P0 = "p0"
    P1 = "p1"
    P2 = "p2"
    P3 = "p3"


class Respondent(StrEnum):
    """Against whom the complaint is; only agencies and state bodies have clocks in the law."""

    AGENCY = "agency"
    STATE_BODY = "state_body"
    EMPLOYER = "employer"
    UNKNOWN = "unknown"


class LinkState(StrEnum):
    """Whether the registry knows a contract of this person."""

    NONE = "none"
    REQUESTED = "requested"
    LINKED = "linked"
    NOT_FOUND = "not_found"


class Outcome(StrEnum):
    """What came of the case."""

    COMPENSATED = "compensated"
    REFUNDED = "refunded"
    RETURNED_SAFELY = "returned_safely"
    SETTLED = "settled"
    WITHDRAWN = "withdrawn"
    UNRESOLVED = "unresolved"


class ConfirmationMethod(StrEnum):
    """How the client's own word on the outcome was obtained."""

    IN_PERSON = "in_person"
    PHONE_CALLBACK = "phone_callback"
    SIGNED_LETTER = "signed_letter"


class CaseFile(IntakeBase, Versioned, table=True):
    """A case; its row is locked before anything that belongs to it is changed."""

    __tablename__ = "case_file"
    __table_args__ = (
        Index(None, "office", "seq"),
        Index(None, "province", "seq"),
        Index(None, "complaint_types", postgresql_using="gin"),
    )

    seq: int | None = sequence()
    reference: str = Field(default_factory=new_reference, unique=True)
    person_id: UUID = Field(foreign_key="person.id", index=True)
    office: str
    province: str
    status: CaseStatus = choice(CaseStatus, default=CaseStatus.OPENED)
    channel: Channel = choice(Channel)
    hotline_case_id: UUID | None = Field(default=None, unique=True)
    country: str
    language: str
    priority: Priority = choice(Priority)
    complaint_types: list[str] = document()
    narrative: bytes | None = sealed()
    """Sealed under the person."""
    respondent: Respondent = choice(Respondent, default=Respondent.UNKNOWN)
    received_on: date = Field(index=True)
    link_state: LinkState = choice(LinkState, default=LinkState.NONE)
    asked_under: str | None = None
    """The id of the link key whose pseudonym the registry was last asked by."""
    agency_id: UUID | None = None
    contract_id: UUID | None = None
    outcome: Outcome | None = choice(Outcome, default=None)
    compensation_amount: Decimal | None = amount(default=None)
    compensation_currency: str | None = None
    resolved_by: str | None = None
    confirmed_by: str | None = None
    confirmed_at: datetime | None = instant(default=None)
    confirmed_how: ConfirmationMethod | None = choice(ConfirmationMethod, default=None)
    closed_by: str | None = None
    closed_at: datetime | None = instant(default=None)


class CaseContract(IntakeBase, table=True):
    """What the registry said of the linked contract when it was fetched: a snapshot, so that the file stays as it was read."""

    __tablename__ = "case_contract"

    id: UUID = key()
    case_id: UUID = Field(foreign_key="case_file.id", unique=True)
    agency_name: str
    market: str
    job: str
    wage_amount: Decimal = amount()
    wage_currency: str
    months: int
    signed_on: date
    costs: list[dict[str, Any]] = document()
    """Each a `CostDetails` of the registry's contract."""
    findings: list[dict[str, Any]] = document()
    """Each a `FindingDetails` of the registry's contract."""


class Told(StrEnum):
    """What a timeline can tell."""

    BED_HELD = "bed_held"
    BED_RELEASED = "bed_released"
    CASE_CLOSED = "case_closed"
    CASE_IN_CARE = "case_in_care"
    CASE_OPENED = "case_opened"
    CASE_REOPENED = "case_reopened"
    CASE_RESOLVED = "case_resolved"
    CASE_UPDATED = "case_updated"
    CLIENT_CONFIRMED = "client_confirmed"
    CLIENT_DISAGREED = "client_disagreed"
    COMPENSATION_RECORDED = "compensation_recorded"
    CONSENT_GIVEN = "consent_given"
    CONSENT_WITHDRAWN = "consent_withdrawn"
    CONTRACT_LINKED = "contract_linked"
    CONTRACT_NOT_FOUND = "contract_not_found"
    CONTRACT_READ = "contract_read"
    FINDING = "finding"
    HAND_OVER_RECEIVED = "hand_over_received"
    LINK_REQUESTED = "link_requested"
    PERSON_ERASED = "person_erased"
    REFERRAL_ACCEPTED = "referral_accepted"
    REFERRAL_CANCELLED = "referral_cancelled"
    REFERRAL_COMPLETED = "referral_completed"
    REFERRAL_DECLINED = "referral_declined"
    REFERRAL_REQUESTED = "referral_requested"
    REFERRAL_ROUTED = "referral_routed"
    REFERRAL_UNROUTABLE = "referral_unroutable"
    REVIEW_DECIDED = "review_decided"
    SCREENING_RECORDED = "screening_recorded"


class TimelineEntry(IntakeBase, table=True):
    """One step of a case; `details` hold codes, ids and numbers only."""

    __tablename__ = "timeline_entry"
    __table_args__ = (Index(None, "case_id", "seq"),)

    id: UUID = key()
    seq: int | None = sequence()
    case_id: UUID = Field(foreign_key="case_file.id")
    at: datetime = instant()
    code: Told = choice(Told)
    actor: str
    details: dict[str, Any] = document()
