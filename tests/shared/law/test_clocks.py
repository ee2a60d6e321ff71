"""The clocks of a complaint follow the law of the day it was received."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.clock import is_working_day
from shared.law.clocks import Clock, DayUnit, Respondent, StartsFrom, Step, complaint_clocks

RECEIVED = date(2026, 11, 20)


def clocks_of(
    respondent: str, received_on: date = RECEIVED, *, complex_case: bool = False, remote: bool = False
) -> dict[Step, Clock]:
    return {clock.code: clock for clock in complaint_clocks(respondent, received_on, complex_case, remote)}


def test_acceptance_by_a_state_body_changed_on_1_july_2026() -> None:
    before = clocks_of("state_body", date(2026, 6, 30))[Step.ACCEPTANCE]
    after = clocks_of("state_body", date(2026, 7, 1))[Step.ACCEPTANCE]

    assert (before.length, before.unit, before.due_on, before.confirmed) == (
        10,
        DayUnit.CALENDAR_DAYS,
        date(2026, 7, 10),
        True,
    )
    assert (after.length, after.unit, after.due_on, after.confirmed) == (
        7,
        DayUnit.WORKING_DAYS,
        date(2026, 7, 10),
        False,
    )
    assert before.citation != after.citation


def test_an_agency_accepts_within_seven_working_days_that_skip_the_cultural_day() -> None:
    acceptance = clocks_of("agency")[Step.ACCEPTANCE]

    assert (acceptance.length, acceptance.unit) == (7, DayUnit.WORKING_DAYS)
    assert acceptance.due_on == date(2026, 12, 2)
    assert not acceptance.confirmed


@pytest.mark.parametrize(
    ("respondent", "complex_case", "remote", "lengths"),
    [
        ("state_body", False, False, (30, 30, 45)),
        ("state_body", True, False, (45, 30, 60)),
        ("state_body", False, True, (45, 45, 60)),
        ("state_body", True, True, (60, 45, 70)),
        ("agency", False, False, (30, 30, 45)),
        ("agency", True, False, (45, 30, 60)),
        ("agency", False, True, (30, 30, 45)),
        ("agency", True, True, (45, 30, 60)),
    ],
)
def test_decisions_have_the_lengths_of_the_law(
    respondent: str, complex_case: bool, remote: bool, lengths: tuple[int, int, int]
) -> None:
    clocks = clocks_of(respondent, complex_case=complex_case, remote=remote)

    steps = (Step.FIRST_DECISION, Step.SECOND_COMPLAINT, Step.SECOND_DECISION)
    assert tuple(clocks[step].length for step in steps) == lengths
    assert {clocks[step].unit for step in steps} == {DayUnit.CALENDAR_DAYS}


def test_a_clock_has_no_last_day_before_the_event_it_runs_from() -> None:
    clocks = clocks_of("state_body")

    assert [clock.due_on is None for clock in clocks.values()] == [False, True, True, True]
    assert [clock.starts_from for clock in clocks.values()] == [
        StartsFrom.RECEIPT,
        StartsFrom.ACCEPTANCE,
        StartsFrom.FIRST_DECISION,
        StartsFrom.SECOND_ACCEPTANCE,
    ]


def test_each_clock_runs_from_its_own_event() -> None:
    clocks = complaint_clocks(
        "state_body",
        RECEIVED,
        False,
        False,
        accepted_on=date(2026, 11, 25),
        first_decided_on=date(2026, 12, 15),
        second_accepted_on=date(2027, 1, 20),
    )

    # 24 and 25 December are worked; 14 January 2027 is a Thursday; 6 March 2027 is a Saturday.
    assert [clock.due_on for clock in clocks] == [
        date(2026, 12, 2),
        date(2026, 12, 25),
        date(2027, 1, 14),
        date(2027, 3, 8),
    ]


def test_a_clock_says_what_it_counts_in_both_languages_and_by_which_rule() -> None:
    acceptance = clocks_of("agency")[Step.ACCEPTANCE]

    assert acceptance.vi == "Thụ lý khiếu nại trong 7 ngày làm việc kể từ ngày nhận"
    assert acceptance.en == "Accept the complaint within 7 working days of receiving it"
    assert acceptance.citation.vi == "Nghị định 24/2018/NĐ-CP"
    assert acceptance.counting.article == "147-148"
    assert not acceptance.counting_confirmed


def test_a_day_for_which_no_law_is_known_is_a_lookup_error() -> None:
    with pytest.raises(LookupError, match="2000-01-01"):
        clocks_of("agency", date(2000, 1, 1))


def test_an_unknown_respondent_is_refused() -> None:
    with pytest.raises(ValueError, match="employer"):
        clocks_of("employer")


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(Respondent), st.dates(date(2018, 4, 15), date(2030, 12, 31)), st.booleans(), st.booleans())
def test_every_complaint_has_four_clocks_that_end_on_working_days(
    respondent: Respondent, received: date, complex_case: bool, remote: bool
) -> None:
    clocks = complaint_clocks(respondent, received, complex_case, remote, accepted_on=received)

    assert [clock.code for clock in clocks] == list(Step)
    assert all(is_working_day(clock.due_on) for clock in clocks if clock.due_on)
    assert all("{" not in clock.vi + clock.en for clock in clocks)
