"""The calendar of Viet Nam, and how the law counts days in it."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared import clock

DAYS = st.dates(date(2021, 1, 1), date(2028, 12, 31))
LENGTHS = st.integers(0, 70)


def test_now_is_aware_and_in_utc() -> None:
    assert clock.now().tzinfo is UTC


def test_a_day_in_viet_nam_begins_seven_hours_before_it_begins_in_utc() -> None:
    evening_in_utc = datetime(2026, 11, 22, 17, 0, tzinfo=UTC)

    assert clock.local_date(evening_in_utc) == date(2026, 11, 23)
    assert clock.local_date(evening_in_utc - timedelta(seconds=1)) == date(2026, 11, 22)


def test_today_is_the_local_date_of_now() -> None:
    before, today, after = clock.local_date(clock.now()), clock.today(), clock.local_date(clock.now())

    assert before <= today <= after


def test_an_instant_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        clock.local_date(datetime(2026, 1, 1))  # noqa: DTZ001 - the very thing that is refused


@pytest.mark.parametrize(
    ("day", "worked"),
    [
        (date(2026, 11, 23), True),  # a Monday
        (date(2026, 11, 21), False),  # a Saturday
        (date(2026, 11, 24), False),  # Viet Nam Cultural Day, since 2026
        (date(2025, 11, 24), True),
        (date(2026, 2, 16), False),  # the eve of Tết
        (date(2026, 2, 20), False),
        (date(2026, 2, 23), True),
        (date(2026, 4, 27), False),  # in lieu of the Hùng Kings' day, which fell on a Sunday
        (date(2026, 8, 31), False),  # swapped for Saturday 22 August
        (date(2026, 8, 22), True),
        (date(2026, 1, 2), False),  # swapped for Saturday 10 January: from our own list
        (date(2026, 1, 10), True),
        (date(2026, 1, 3), False),
        (date(2018, 12, 31), False),  # a swap across New Year
        (date(2019, 1, 5), True),
    ],
)
def test_working_days_follow_holidays_tet_and_swaps(day: date, worked: bool) -> None:
    assert clock.is_working_day(day) is worked


def test_the_day_of_the_event_is_not_counted() -> None:
    assert clock.add_working_days(date(2026, 3, 2), 1) == date(2026, 3, 3)
    assert clock.add_calendar_days(date(2026, 3, 2), 1) == date(2026, 3, 3)


def test_seven_working_days_step_over_tet() -> None:
    assert clock.add_working_days(date(2026, 2, 12), 7) == date(2026, 3, 2)


def test_a_make_up_saturday_counts_as_a_working_day() -> None:
    assert clock.add_working_days(date(2026, 1, 9), 1) == date(2026, 1, 10)
    assert clock.add_calendar_days(date(2026, 1, 9), 1) == date(2026, 1, 10)


def test_a_period_that_would_end_on_a_day_off_ends_on_the_next_working_day() -> None:
    assert clock.add_calendar_days(date(2026, 2, 7), 10) == date(2026, 2, 23)


def test_a_period_of_no_days_ends_on_the_first_working_day() -> None:
    assert clock.add_working_days(date(2026, 11, 21), 0) == date(2026, 11, 23)
    assert clock.add_calendar_days(date(2026, 11, 23), 0) == date(2026, 11, 23)


@pytest.mark.parametrize("add", [clock.add_working_days, clock.add_calendar_days])
def test_a_negative_period_is_refused(add: object) -> None:
    with pytest.raises(ValueError, match="negative"):
        add(date(2026, 1, 1), -1)  # type: ignore[operator]


@settings(max_examples=50, deadline=None)
@given(DAYS, LENGTHS)
def test_every_period_ends_on_a_working_day_after_enough_of_them(day: date, n: int) -> None:
    end = clock.add_working_days(day, n)
    between = [day + timedelta(days=step) for step in range(1, (end - day).days + 1)]

    assert clock.is_working_day(end)
    assert n == 0 or sum(map(clock.is_working_day, between)) == n


@settings(max_examples=50, deadline=None)
@given(DAYS, LENGTHS)
def test_a_calendar_period_is_only_lengthened_by_days_off(day: date, n: int) -> None:
    end = clock.add_calendar_days(day, n)
    late = [day + timedelta(days=step) for step in range(n, (end - day).days)]

    assert clock.is_working_day(end)
    assert not any(map(clock.is_working_day, late))
