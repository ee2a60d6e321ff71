"""What intake decides: which step follows which, who may not decide alone, what a screening calls for. Pure."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from types import MappingProxyType
from uuid import UUID

from services.intake.models import (
    Answer,
    CaseFile,
    CaseStatus,
    ConfirmationMethod,
    Consent,
    Decision,
    LinkState,
    Outcome,
    Referral,
    ReferralStatus,
    Respondent,
    Task,
    TaskStatus,
    Told,
    WithdrawalReason,
)
from shared import codes
from shared.clock import VIET_NAM, add_working_days
from shared.errors import Conflict, IllegalTransition
from shared.law.clocks import Clock, complaint_clocks
from shared.money import Money

TRANSITIONS: MappingProxyType[CaseStatus, frozenset[CaseStatus]] = MappingProxyType(
    {
        CaseStatus.OPENED: frozenset({CaseStatus.IN_CARE, CaseStatus.RESOLVED}),
        CaseStatus.IN_CARE: frozenset({CaseStatus.RESOLVED}),
        CaseStatus.RESOLVED: frozenset({CaseStatus.IN_CARE, CaseStatus.CLOSED}),
        CaseStatus.CLOSED: frozenset({CaseStatus.IN_CARE}),
    }
)

_ENDS = frozenset({ReferralStatus.DECLINED, ReferralStatus.COMPLETED, ReferralStatus.CANCELLED})
REFERRAL_TRANSITIONS: MappingProxyType[ReferralStatus, frozenset[ReferralStatus]] = MappingProxyType(
    {
        ReferralStatus.REQUESTED: _ENDS | {ReferralStatus.ROUTED, ReferralStatus.UNROUTABLE, ReferralStatus.ACCEPTED},
        ReferralStatus.ROUTED: _ENDS | {ReferralStatus.UNROUTABLE, ReferralStatus.ACCEPTED},
        ReferralStatus.ACCEPTED: frozenset({ReferralStatus.COMPLETED, ReferralStatus.CANCELLED}),
        ReferralStatus.DECLINED: frozenset(),
        ReferralStatus.COMPLETED: frozenset(),
        ReferralStatus.CANCELLED: frozenset(),
        ReferralStatus.UNROUTABLE: frozenset(),
    }
)
"""Steps may be skipped, because news may come out of order; none leads back, and none out of an end."""

TASK_TRANSITIONS: MappingProxyType[TaskStatus, frozenset[TaskStatus]] = MappingProxyType(
    {TaskStatus.OPEN: frozenset({TaskStatus.DONE}), TaskStatus.DONE: frozenset()}
)

SAME_DAY = frozenset(
    {"debt_bondage", "intimidation_and_threats", "physical_and_sexual_violence", "restriction_of_movement"}
)
"""Indicators that look like the means of trafficking: reviewed on the same day (practice, to be agreed; unconfirmed)."""
REVIEW_WORKING_DAYS = 2
"""For every other indication (practice, to be agreed; unconfirmed)."""

SMALLEST_CELL = 5
"""Published counts of people below this are suppressed."""


def start_of(day: date) -> datetime:
    """Return the instant at which a day begins in Viet Nam."""
    return datetime.combine(day, time.min, VIET_NAM)


def advance(case: CaseFile, to: CaseStatus) -> None:
    """Move a case on, or raise `IllegalTransition` with the steps that are allowed."""
    if to not in TRANSITIONS[case.status]:
        raise IllegalTransition(case.status, to, TRANSITIONS[case.status])
    case.status = to


def refuse_closed(case: CaseFile) -> None:
    """Raise `Conflict`: a closed case is reopened before anything is added to it."""
    if case.status is CaseStatus.CLOSED:
        raise Conflict("case_closed")


def begin_care(case: CaseFile) -> bool:
    """Note that someone takes care of the person; say whether that is new."""
    if case.status is not CaseStatus.OPENED:
        return False
    advance(case, CaseStatus.IN_CARE)
    return True


def resolve(case: CaseFile, outcome: Outcome, compensation: Money | None, by: str) -> None:
    """Record what came of the case."""
    advance(case, CaseStatus.RESOLVED)
    case.outcome, case.resolved_by = outcome, by
    case.compensation_amount = compensation.amount if compensation else None
    case.compensation_currency = compensation.currency if compensation else None


def confirm(case: CaseFile, how: ConfirmationMethod, by: str, at: datetime, *, satisfied: bool) -> None:
    """Record the client's own word, taken by someone other than who resolved the case; a no brings it back into care."""
    if case.status is not CaseStatus.RESOLVED:
        raise Conflict("not_resolved", current=str(case.status))
    if case.confirmed_at is not None:
        raise Conflict("already_confirmed")
    if by == case.resolved_by:
        raise Conflict("self_confirmation")
    if satisfied:
        case.confirmed_by, case.confirmed_at, case.confirmed_how = by, at, how
    else:
        resume(case)


def close(case: CaseFile, by: str, at: datetime) -> None:
    """End a case that its client confirmed; whoever took the confirmation may not close."""
    if CaseStatus.CLOSED not in TRANSITIONS[case.status]:
        raise IllegalTransition(case.status, CaseStatus.CLOSED, TRANSITIONS[case.status])
    if case.confirmed_at is None:
        raise Conflict("no_confirmation")
    if by == case.confirmed_by:
        raise Conflict("self_close")
    advance(case, CaseStatus.CLOSED)
    case.closed_by, case.closed_at = by, at


def reopen(case: CaseFile) -> None:
    """Let a closed case go on; one that was never closed is not reopened."""
    if case.status is not CaseStatus.CLOSED:
        raise IllegalTransition(case.status, CaseStatus.IN_CARE, TRANSITIONS[case.status])
    resume(case)


def resume(case: CaseFile) -> None:
    """Bring a case back into care: its outcome no longer holds, the timeline remembers it."""
    advance(case, CaseStatus.IN_CARE)
    case.outcome = case.compensation_amount = case.compensation_currency = case.resolved_by = None
    case.confirmed_by = case.confirmed_at = case.confirmed_how = None
    case.closed_by = case.closed_at = None


def link(case: CaseFile, contract_id: UUID, agency_id: UUID) -> None:
    """Tie the case to a contract; a later link corrects an earlier one."""
    case.link_state, case.contract_id, case.agency_id = LinkState.LINKED, contract_id, agency_id


def link_failed(case: CaseFile) -> bool:
    """Note that no contract is registered, and say whether that is new; a link that came meanwhile stands."""
    if case.link_state in {LinkState.LINKED, LinkState.NOT_FOUND}:
        return False
    case.link_state = LinkState.NOT_FOUND
    return True


def step(referral: Referral, to: ReferralStatus, *, reason: str | None = None, bed_held: bool = False) -> bool:
    """Take a step that news tells of, and say whether it was one; late news changes nothing. Only the accepted hold beds."""
    if to not in REFERRAL_TRANSITIONS[referral.status]:
        return False
    referral.status, referral.reason, referral.bed_held = to, reason, bed_held
    return True


def end_with_case(referral: Referral) -> Told:
    """End a referral with its case: a partner that took the client on has done its part, an open request is called off."""
    served = referral.status is ReferralStatus.ACCEPTED
    step(referral, ReferralStatus.COMPLETED if served else ReferralStatus.CANCELLED, reason="case_closed")
    return Told.REFERRAL_COMPLETED if served else Told.REFERRAL_CANCELLED


def withdraw(consent: Consent, at: datetime, why: WithdrawalReason | None) -> None:
    """End a consent; it is never given back, the client gives a new one."""
    if consent.withdrawn_at is not None:
        raise Conflict("already_withdrawn")
    consent.withdrawn_at, consent.withdrawn_why = at, why


def indications(indicators: Mapping[str, str]) -> list[str]:
    """Return the codes that were answered yes, in the list's order."""
    return [row.code for row in codes.forced_labour_indicators.all() if indicators.get(row.code) == Answer.YES]


def review_due(found: Iterable[str], day: date) -> datetime:
    """Return until when a reviewer must have looked: the end of the same day, or of the second working day."""
    last = day if SAME_DAY & set(found) else add_working_days(day, REVIEW_WORKING_DAYS)
    return start_of(last + timedelta(days=1))


def decide(task: Task, decision: Decision, by: str, at: datetime) -> None:
    """Record a reviewer's decision; nobody reviews what they recorded themselves."""
    if TaskStatus.DONE not in TASK_TRANSITIONS[task.status]:
        raise IllegalTransition(task.status, TaskStatus.DONE, TASK_TRANSITIONS[task.status])
    if by == task.recorded_by:
        raise Conflict("self_review")
    task.status, task.decision, task.decided_by, task.decided_at = TaskStatus.DONE, decision, by, at


def clocks_of(case: CaseFile) -> tuple[Clock, ...]:
    """Return the statutory clocks; none where the law has none for this respondent, or none is known for that day.

    The longer clocks of complex cases and remote areas need a recorded decision, so they are not assumed here.
    """
    if case.respondent not in {Respondent.AGENCY, Respondent.STATE_BODY}:
        return ()
    try:
        return complaint_clocks(case.respondent, case.received_on, complex=False, remote=False)
    except LookupError:
        return ()


def clauses(complaint_types: Iterable[str], found: Iterable[int | None]) -> list[int]:
    """Return the clauses of Article 7, Law 69/2020/QH14, that complaints and findings point to, each once."""
    listed = (codes.complaint_types.get(code) for code in complaint_types)
    named = {int(row.article_7.removeprefix("7.")) for row in listed if row and row.article_7}
    return sorted(named | {clause for clause in found if clause is not None})


def suppress(counts: Mapping[str, int]) -> dict[str, int | None]:
    """Withhold cells of 1 to 4, and where that is one cell alone its smallest neighbour too, so that no total betrays it."""
    small = {code for code, count in counts.items() if 0 < count < SMALLEST_CELL}
    others = [code for code, count in counts.items() if count >= SMALLEST_CELL]
    if len(small) == 1 and others:
        small.add(min(others, key=lambda code: counts[code]))
    return {code: None if code in small else count for code, count in counts.items()}
