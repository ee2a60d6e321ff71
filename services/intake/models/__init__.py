"""What intake stores; people and what they told are sealed, everything else is codes and numbers."""

from services.intake.models.base import metadata
from services.intake.models.cases import (
    CaseContract,
    CaseFile,
    CaseStatus,
    Channel,
    ConfirmationMethod,
    LinkState,
    Outcome,
    Priority,
    Respondent,
    TimelineEntry,
    Told,
)
from services.intake.models.consents import Consent, ConsentMethod, Partner, Purpose, SharedField, WithdrawalReason
from services.intake.models.people import Person
from services.intake.models.referrals import OPEN, Referral, ReferralStatus
from services.intake.models.screenings import Answer, Decision, Screening, Task, TaskKind, TaskStatus

__all__ = [
    "OPEN",
    "Answer",
    "CaseContract",
    "CaseFile",
    "CaseStatus",
    "Channel",
    "ConfirmationMethod",
    "Consent",
    "ConsentMethod",
    "Decision",
    "LinkState",
    "Outcome",
    "Partner",
    "Person",
    "Priority",
    "Purpose",
    "Referral",
    "ReferralStatus",
    "Respondent",
    "Screening",
    "SharedField",
    "Task",
    "TaskKind",
    "TaskStatus",
    "TimelineEntry",
    "Told",
    "WithdrawalReason",
    "metadata",
]
