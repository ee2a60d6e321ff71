"""The time of the system in UTC, and the calendar of Viet Nam by which the law counts days."""

from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import holidays

from shared.codes.lists import day_swaps

VIET_NAM = ZoneInfo("Asia/Ho_Chi_Minh")

ONE_DAY = timedelta(days=1)
SATURDAY = 5


def now() -> datetime:
    """Return this instant, in UTC and aware."""
    return datetime.now(UTC)


def today() -> date:
    """Return the day it is in Viet Nam."""
    return local_date(now())


def local_date(instant: datetime) -> date:
    """Return the day on which the instant falls in Viet Nam; ValueError for an instant without a time zone."""
    if instant.tzinfo is None:
        message = "an instant needs a time zone"
        raise ValueError(message)
    return instant.astimezone(VIET_NAM).date()


def is_working_day(day: date) -> bool:
    """Whether state offices work: on make-up Saturdays too, but not at weekends, on public holidays or swapped days."""
    days_off, made_up = _calendar(day.year)
    return day in made_up or (day.weekday() < SATURDAY and day not in days_off)


def next_working_day(day: date) -> date:
    """Return the day itself if it is worked, else the first one after it that is."""
    while not is_working_day(day):
        day += ONE_DAY
    return day


def add_working_days(day: date, n: int) -> date:
    """Return the last day of a period of `n` working days that starts with an event on `day`, which is not counted.

    Civil Code Articles 147 and 148; ValueError for a negative `n`.
    """
    _refuse_negative(n)
    for _ in range(n):
        day = next_working_day(day + ONE_DAY)
    return next_working_day(day)


def add_calendar_days(day: date, n: int) -> date:
    """Return the last day of a period of `n` days: the day of the event is not counted, an end on a day off moves on.

    Civil Code Articles 147 and 148; ValueError for a negative `n`.
    """
    _refuse_negative(n)
    return next_working_day(day + timedelta(days=n))


def _refuse_negative(n: int) -> None:
    if n < 0:
        message = "a period cannot have a negative length"
        raise ValueError(message)


@cache
def _calendar(year: int) -> tuple[frozenset[date], frozenset[date]]:
    """Return the days off and the make-up working days of a year; neighbours count, a swap may cross New Year."""
    viet_nam = holidays.country_holidays("VN", years=(year - 1, year, year + 1))
    days_off = {*viet_nam, *(date.fromisoformat(swap.code) for swap in day_swaps.all())}
    made_up = {*viet_nam.weekend_workdays, *(swap.made_up_on for swap in day_swaps.all())}
    return frozenset(days_off), frozenset(made_up)
