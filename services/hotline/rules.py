"""What the hotline decides: how urgent a case is at least, and which step follows which. Pure."""

from types import MappingProxyType

from services.hotline.models import CaseStatus, Category, HotlineCase, Priority, Progress
from shared.errors import IllegalTransition, InvalidInput

TRANSITIONS: MappingProxyType[CaseStatus, frozenset[CaseStatus]] = MappingProxyType(
    {
        CaseStatus.POSTED: frozenset({CaseStatus.TRIAGED}),
        CaseStatus.TRIAGED: frozenset({CaseStatus.TRIAGED, CaseStatus.HANDED_OVER}),
        CaseStatus.HANDED_OVER: frozenset(),
    }
)

PROGRESS: MappingProxyType[Progress, frozenset[Progress]] = MappingProxyType(
    {
        Progress.NONE: frozenset({Progress.OPENED, Progress.IN_CARE, Progress.CLOSED}),
        Progress.OPENED: frozenset({Progress.IN_CARE, Progress.CLOSED}),
        Progress.IN_CARE: frozenset({Progress.CLOSED}),
        Progress.CLOSED: frozenset(),
    }
)

SUGGESTED: MappingProxyType[Category, Priority] = MappingProxyType(
    {
        Category.TRAFFICKING: Priority.P0,
        Category.VIOLENCE: Priority.P0,
        Category.DEATH: Priority.P1,
        Category.DETENTION: Priority.P1,
        Category.ILLNESS_ACCIDENT: Priority.P1,
        Category.MISSING_PERSON: Priority.P1,
        Category.INFORMATION: Priority.P3,
    }
)
"""The triage proposal (unconfirmed: no official source was found); what is not named is P2."""

DANGER = frozenset({"violence_or_harassment", "confinement"})
"""Complaint types that raise any category to P0."""


def suggested_priority(category: Category, complaint_types: list[str]) -> Priority:
    """Return how urgent a case is at least; it is raised automatically and lowered only by a person with a reason."""
    if DANGER & set(complaint_types):
        return Priority.P0
    return SUGGESTED.get(category, Priority.P2)


def advance(case: HotlineCase, to: CaseStatus) -> None:
    """Move a case on, or raise `IllegalTransition` with the steps that are allowed."""
    if to not in TRANSITIONS[case.status]:
        raise IllegalTransition(case.status, to, TRANSITIONS[case.status])
    case.status = to


def triage(case: HotlineCase, priority: Priority, *, reason_given: bool) -> None:
    """Set the priority a person chose; below what stands or is suggested (a higher number) it needs a reason."""
    advance(case, CaseStatus.TRIAGED)
    least = min(case.priority, suggested_priority(case.category, case.complaint_types))
    if priority > least and not reason_given:
        raise InvalidInput.at(
            "/reason", "missing", "lý do khi hạ mức ưu tiên", "a reason, when the priority is lowered"
        )
    case.priority = priority


def is_news(case: HotlineCase, to: Progress, *, reopened: bool = False) -> bool:
    """Whether this says more than is known; late news does not, and only a reopening takes a closed case on again."""
    return to in PROGRESS[case.progress] or (reopened and case.progress is Progress.CLOSED)


def progressed(case: HotlineCase, to: Progress, *, reopened: bool = False) -> None:
    """Note how far the case went at home; what is no news changes nothing."""
    if is_news(case, to, reopened=reopened):
        case.progress = to
