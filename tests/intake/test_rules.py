"""What intake decides, without a database."""

from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import product
from typing import Any

import pytest

from services.intake import rules
from services.intake.models import (
    OPEN,
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
)
from shared import codes
from shared.errors import Conflict, IllegalTransition
from shared.ids import new_id
from shared.money import Money
from tests.intake.world import all_answers

NOON = datetime(2026, 11, 5, 5, 0, tzinfo=UTC)
THURSDAY = date(2026, 11, 5)
MONEY = Money(amount=Decimal(100), currency="USD")


def case(status: CaseStatus = CaseStatus.OPENED, **changes: Any) -> CaseFile:
    return CaseFile(status=status, **changes)


def referral(status: ReferralStatus = ReferralStatus.REQUESTED, **changes: Any) -> Referral:
    return Referral(status=status, bed_held=False, **changes)


def consent(**changes: Any) -> Consent:
    return Consent(withdrawn_at=None, **changes)


def task(**changes: Any) -> Task:
    return Task(status=TaskStatus.OPEN, recorded_by="an", **changes)


def test_every_status_says_what_may_follow() -> None:
    assert set(rules.TRANSITIONS) == set(CaseStatus)
    assert set(rules.REFERRAL_TRANSITIONS) == set(ReferralStatus)
    assert set(rules.TASK_TRANSITIONS) == set(TaskStatus)


@pytest.mark.parametrize(("status", "to"), [*product(CaseStatus, CaseStatus)])
def test_a_case_takes_the_steps_that_are_allowed_and_no_other(status: CaseStatus, to: CaseStatus) -> None:
    moving = case(status)

    if to in rules.TRANSITIONS[status]:
        rules.advance(moving, to)
        assert moving.status is to
    else:
        with pytest.raises(IllegalTransition):
            rules.advance(moving, to)
        assert moving.status is status


@pytest.mark.parametrize(("status", "to"), [*product(ReferralStatus, ReferralStatus)])
def test_a_referral_never_goes_back_and_never_leaves_an_end(status: ReferralStatus, to: ReferralStatus) -> None:
    moving = referral(status)

    taken = rules.step(moving, to, reason="a_code")

    assert taken is (to in rules.REFERRAL_TRANSITIONS[status])
    assert moving.status is (to if taken else status)
    assert moving.reason == ("a_code" if taken else None)
    assert not (status not in OPEN and taken)


def test_a_bed_is_held_only_while_a_referral_is_accepted() -> None:
    moving = referral()
    rules.step(moving, ReferralStatus.ACCEPTED, bed_held=True)
    held = moving.bed_held

    rules.step(moving, ReferralStatus.COMPLETED)

    assert (held, moving.bed_held) == (True, False)


def test_care_begins_once() -> None:
    opened = case()

    assert [rules.begin_care(opened), rules.begin_care(opened)] == [True, False]
    assert not rules.begin_care(case(CaseStatus.CLOSED))


def test_a_resolution_without_money_forgets_money_of_before() -> None:
    again = case(CaseStatus.IN_CARE, compensation_amount=Decimal(5), compensation_currency="VND")

    rules.resolve(again, Outcome.SETTLED, None, "an")

    assert (again.outcome, again.compensation_amount, again.compensation_currency) == (Outcome.SETTLED, None, None)


def test_a_confirmation_is_taken_by_another_and_once() -> None:
    resolved = case()
    rules.resolve(resolved, Outcome.COMPENSATED, MONEY, "an")

    with pytest.raises(Conflict, match="conflict"):
        rules.confirm(resolved, ConfirmationMethod.IN_PERSON, "an", NOON, satisfied=True)
    rules.confirm(resolved, ConfirmationMethod.IN_PERSON, "binh", NOON, satisfied=True)
    with pytest.raises(Conflict):
        rules.confirm(resolved, ConfirmationMethod.IN_PERSON, "chi", NOON, satisfied=False)

    assert (resolved.confirmed_by, resolved.confirmed_at) == ("binh", NOON)
    assert resolved.compensation_amount == Decimal(100)


def test_closing_needs_a_confirmation_by_another() -> None:
    resolved = case(CaseStatus.RESOLVED, confirmed_by="binh", confirmed_at=NOON)

    with pytest.raises(Conflict):
        rules.close(resolved, "binh", NOON)
    with pytest.raises(Conflict):
        rules.close(case(CaseStatus.RESOLVED), "chi", NOON)
    with pytest.raises(IllegalTransition):
        rules.close(case(confirmed_by="binh", confirmed_at=NOON), "chi", NOON)
    rules.close(resolved, "chi", NOON)

    assert (resolved.status, resolved.closed_by, resolved.closed_at) == (CaseStatus.CLOSED, "chi", NOON)


def test_only_a_closed_case_is_reopened_and_it_forgets_its_end() -> None:
    closed = case(
        CaseStatus.CLOSED,
        outcome=Outcome.REFUNDED,
        resolved_by="an",
        confirmed_by="binh",
        closed_by="chi",
        closed_at=NOON,
    )

    rules.reopen(closed)

    assert closed.status is CaseStatus.IN_CARE
    assert (closed.outcome, closed.resolved_by, closed.confirmed_by, closed.closed_by) == (None,) * 4
    with pytest.raises(IllegalTransition):
        rules.reopen(case(CaseStatus.RESOLVED))


def test_nothing_is_added_to_a_closed_case() -> None:
    rules.refuse_closed(case(CaseStatus.RESOLVED))

    with pytest.raises(Conflict):
        rules.refuse_closed(case(CaseStatus.CLOSED))


@pytest.mark.parametrize(
    ("state", "new", "after"),
    [
        (LinkState.NONE, True, LinkState.NOT_FOUND),
        (LinkState.REQUESTED, True, LinkState.NOT_FOUND),
        (LinkState.NOT_FOUND, False, LinkState.NOT_FOUND),
        (LinkState.LINKED, False, LinkState.LINKED),
    ],
)
def test_a_link_that_came_meanwhile_stands(state: LinkState, new: bool, after: LinkState) -> None:
    asking = case(link_state=state)

    assert rules.link_failed(asking) is new
    assert asking.link_state is after


def test_a_contract_found_later_is_linked_after_all() -> None:
    asking, contract_id, agency_id = case(link_state=LinkState.NOT_FOUND), new_id(), new_id()

    rules.link(asking, contract_id, agency_id)

    assert (asking.link_state, asking.contract_id, asking.agency_id) == (LinkState.LINKED, contract_id, agency_id)


def test_a_consent_is_withdrawn_once() -> None:
    given = consent()
    rules.withdraw(given, NOON, None)

    with pytest.raises(Conflict):
        rules.withdraw(given, NOON, None)

    assert given.withdrawn_at == NOON


def test_there_are_eleven_indicators_and_each_is_one_that_can_be_indicated() -> None:
    every = all_answers(**dict.fromkeys(all_answers(), "yes"))

    assert len(every) == 11
    assert rules.indications(every) == [row.code for row in codes.forced_labour_indicators.all()]
    assert rules.indications(all_answers(isolation="unknown")) == []
    assert set(every) >= rules.SAME_DAY


@pytest.mark.parametrize(
    ("found", "day", "due"),
    [
        (["isolation"], THURSDAY, datetime(2026, 11, 9, 17, tzinfo=UTC)),
        (["isolation", "debt_bondage"], THURSDAY, datetime(2026, 11, 5, 17, tzinfo=UTC)),
        (["restriction_of_movement"], date(2026, 11, 7), datetime(2026, 11, 7, 17, tzinfo=UTC)),
        (["deception"], date(2026, 4, 29), datetime(2026, 5, 5, 17, tzinfo=UTC)),
    ],
)
def test_a_review_is_due_at_the_end_of_its_day_in_viet_nam(found: list[str], day: date, due: datetime) -> None:
    assert rules.review_due(found, day) == due


def test_a_decision_is_another_persons_and_final() -> None:
    review = task()

    with pytest.raises(Conflict):
        rules.decide(review, Decision.NO_INDICATION, "an", NOON)
    rules.decide(review, Decision.NO_INDICATION, "chi", NOON)
    with pytest.raises(IllegalTransition):
        rules.decide(review, Decision.CONTINUE_SUPPORT, "chi", NOON)

    assert (review.status, review.decision, review.decided_by) == (TaskStatus.DONE, Decision.NO_INDICATION, "chi")


@pytest.mark.parametrize(
    ("respondent", "received_on", "clocks"),
    [
        (Respondent.AGENCY, date(2026, 11, 2), 4),
        (Respondent.STATE_BODY, date(2026, 11, 2), 4),
        (Respondent.EMPLOYER, date(2026, 11, 2), 0),
        (Respondent.UNKNOWN, date(2026, 11, 2), 0),
        (Respondent.AGENCY, date(2001, 1, 1), 0),
    ],
)
def test_a_case_has_the_clocks_that_the_law_has_for_it(respondent: Respondent, received_on: date, clocks: int) -> None:
    assert len(rules.clocks_of(case(respondent=respondent, received_on=received_on))) == clocks


def test_clauses_come_from_complaints_and_findings_each_once() -> None:
    assert rules.clauses(["broker_fee", "overtime", "document_retention", "gone"], [8, None, 1]) == [1, 8, 10]
    assert rules.clauses([], []) == []


@pytest.mark.parametrize(
    ("counts", "published"),
    [
        ({"a": 0, "b": 5}, {"a": 0, "b": 5}),
        ({"a": 1, "b": 4, "c": 9}, {"a": None, "b": None, "c": 9}),
        ({"a": 3, "b": 9, "c": 7, "d": 0}, {"a": None, "b": 9, "c": None, "d": 0}),
        ({"a": 4, "b": 0}, {"a": None, "b": 0}),
    ],
)
def test_cells_of_one_to_four_are_withheld_and_no_total_betrays_a_single_one(
    counts: dict[str, int], published: dict[str, int | None]
) -> None:
    assert rules.suppress(counts) == published
