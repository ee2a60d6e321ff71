"""Consents: which service of which partner may learn what, and the partners as the directory lists them."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlmodel import Field

from services.intake.models.base import IntakeBase
from shared.clock import now
from shared.columns import Versioned, choice, document, instant, sequence
from shared.contracts.referral import ServiceType


class Purpose(StrEnum):
    """What a consent is for; each purpose has a consent of its own (Law 91/2025/QH15, Article 9)."""

    REFERRAL = "referral"
    NON_IDENTIFIABLE_REPORTING = "non_identifiable_reporting"


class ConsentMethod(StrEnum):
    """How a client said yes; silence is not consent."""

    SIGNED = "signed"
    FINGERPRINT = "fingerprint"
    RECORDED_ORAL = "recorded_oral"


class SharedField(StrEnum):
    """What can be shared of a person and a case, each by its own yes."""

    NAME = "name"
    BORN_ON = "born_on"
    SEX = "sex"
    PHONE = "phone"
    LANGUAGE = "language"
    DOCUMENT_NUMBER = "document_number"
    NARRATIVE = "narrative"
    COMPLAINT_TYPES = "complaint_types"
    COUNTRY = "country"


class WithdrawalReason(StrEnum):
    """Why a client withdrew, if she says; no reason is needed."""

    NO_LONGER_NEEDED = "no_longer_needed"
    SAFETY_CONCERN = "safety_concern"
    DISTRUST = "distrust"
    OTHER = "other"


class Partner(IntakeBase, Versioned, table=True):
    """An organisation as the directory last listed it; `id` is the organisation's own."""

    __tablename__ = "partner"

    active: bool


class Consent(IntakeBase, Versioned, table=True):
    """One consent to one purpose, for one service of one receiver where the purpose has one."""

    __tablename__ = "consent"

    seq: int | None = sequence()
    case_id: UUID = Field(foreign_key="case_file.id", index=True)
    person_id: UUID = Field(foreign_key="person.id", index=True)
    purpose: Purpose = choice(Purpose)
    organization_id: UUID | None = Field(default=None, foreign_key="partner.id")
    service_type: ServiceType | None = choice(ServiceType, default=None)
    fields: list[str] = document()
    language: str
    """In which the text was explained."""
    text_version: str
    method: ConsentMethod = choice(ConsentMethod)
    explained_by: str
    given_at: datetime = instant(default_factory=now)
    expires_on: date | None = None
    """The last day on which it holds."""
    withdrawn_at: datetime | None = instant(default=None)
    withdrawn_why: WithdrawalReason | None = choice(WithdrawalReason, default=None)
