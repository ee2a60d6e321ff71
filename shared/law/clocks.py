"""The clocks of a complaint: how long each step may take, from when it runs, and the last day where that is known."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache

from shared.clock import add_calendar_days, add_working_days
from shared.law.book import BOOK, Citation, Entry, LawBook

COMPLAINT = "complaint_clock"
COUNTING = "counting_days"
REMEMBERED = 4096
"""Questions whose answer is kept: the book does not change while a process lives, and most cases of a day ask the same."""


class Respondent(StrEnum):
    """Against whom a complaint is made: the procedure and its clocks differ."""

    AGENCY = "agency"
    STATE_BODY = "state_body"


class Step(StrEnum):
    """The steps of a complaint that have a clock, in their order."""

    ACCEPTANCE = "acceptance"
    FIRST_DECISION = "first_decision"
    SECOND_COMPLAINT = "second_complaint"
    SECOND_DECISION = "second_decision"


class StartsFrom(StrEnum):
    """The event from which a clock runs; the day of the event itself is not counted."""

    ACCEPTANCE = "acceptance"
    FIRST_DECISION = "first_decision"
    RECEIPT = "receipt"
    SECOND_ACCEPTANCE = "second_acceptance"


class DayUnit(StrEnum):
    """What a clock counts."""

    CALENDAR_DAYS = "calendar_days"
    WORKING_DAYS = "working_days"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """One step's time limit; `due_on` is its last day, None while the event it runs from has not happened."""

    code: Step
    due_on: date | None
    length: int
    unit: DayUnit
    starts_from: StartsFrom
    citation: Citation
    confirmed: bool
    """Whether the length was read in a faithful source; how days are counted has a flag of its own."""
    counting: Citation
    counting_confirmed: bool
    vi: str
    en: str


@lru_cache(maxsize=REMEMBERED)
def complaint_clocks(
    respondent: str,
    received_on: date,
    complex: bool,  # noqa: A002 - the law's own word
    remote: bool,
    *,
    accepted_on: date | None = None,
    first_decided_on: date | None = None,
    second_accepted_on: date | None = None,
    book: LawBook = BOOK,
) -> tuple[Clock, ...]:
    """Return the clocks of a complaint in the order of its steps; the day of receipt selects the law.

    `complex` is to be set only by a recorded decision, `remote` for remote areas that are hard to reach. Time during
    which a case is suspended is not counted: the caller moves the start. LookupError if no law is known for that day.
    """
    starts = {
        StartsFrom.RECEIPT: received_on,
        StartsFrom.ACCEPTANCE: accepted_on,
        StartsFrom.FIRST_DECISION: first_decided_on,
        StartsFrom.SECOND_ACCEPTANCE: second_accepted_on,
    }
    matter = {
        "respondent": Respondent(respondent),
        "complex": "yes" if complex else "no",
        "remote": "yes" if remote else "no",
    }
    counting = book.find(COUNTING, on=received_on)
    entries = (book.find(COMPLAINT, on=received_on, step=step, **matter) for step in Step)
    return tuple(_clock(step, entry, counting, starts, book) for step, entry in zip(Step, entries, strict=True))


def due_on(entry: Entry, start: date) -> date:
    """Return the last day of a period that an entry gives as `length` and `unit`, from an event on `start`."""
    add = add_working_days if DayUnit(entry.values["unit"]) is DayUnit.WORKING_DAYS else add_calendar_days
    return add(start, entry.integer("length"))


def _clock(step: Step, entry: Entry, counting: Entry, starts: Mapping[StartsFrom, date | None], book: LawBook) -> Clock:
    starts_from, unit = StartsFrom(entry.values["starts_from"]), DayUnit(entry.values["unit"])
    start, length = starts[starts_from], entry.values["length"]
    sentence, unit_text = book.text(COMPLAINT, step), book.text(COMPLAINT, unit)
    return Clock(
        code=step,
        due_on=due_on(entry, start) if start else None,
        length=int(length),
        unit=unit,
        starts_from=starts_from,
        citation=entry.citation,
        confirmed=entry.confirmed,
        counting=counting.citation,
        counting_confirmed=counting.confirmed,
        vi=sentence.vi.format(length=length, unit=unit_text.vi),
        en=sentence.en.format(length=length, unit=unit_text.en),
    )
