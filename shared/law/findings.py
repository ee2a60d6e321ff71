"""What the system says after a look into the law: an indication with its numbers and its article, never a verdict."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from shared.law.book import Citation, Entry, LawBook

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_ISO_DAY = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")


class Outcome(StrEnum):
    """How far a finding goes; none of them convicts."""

    INFORMATION = "information"
    NEEDS_REVIEW = "needs_review"
    VIOLATION_INDICATED = "violation_indicated"


@dataclass(frozen=True, slots=True)
class Finding:
    """An indication a person decides about.

    `numbers` are plain decimals, ISO dates and codes as strings. `citation` is None only where no rule is known.
    """

    code: str
    vi: str
    en: str
    citation: Citation | None
    numbers: Mapping[str, str]
    confirmed: bool
    outcome: Outcome


def plain(number: Decimal) -> str:
    """Return the number without exponent and without idle zeros."""
    return format(number.normalize(), "f")


def say(
    book: LawBook, kind: str, code: str, outcome: Outcome, numbers: Mapping[str, str], *, entry: Entry | None = None
) -> Finding:
    """Make a finding with the book's sentence; without an entry it cites nothing and is unconfirmed."""
    text = book.text(kind, code)
    return Finding(
        code=code,
        vi=text.vi.format_map({name: _spoken(_day(value), ".", ",") for name, value in numbers.items()}),
        en=text.en.format_map({name: _spoken(value, ",", ".") for name, value in numbers.items()}),
        citation=entry.citation if entry else None,
        numbers=dict(numbers),
        confirmed=entry is not None and entry.confirmed,
        outcome=outcome,
    )


def _day(value: str) -> str:
    """Return an ISO date as Vietnamese readers write it, 31/12/2026; other text unchanged."""
    return _ISO_DAY.sub(r"\3/\2/\1", value)


def _spoken(value: str, thousands: str, point: str) -> str:
    """Return a number as people write it (1.234.567,5 in Vietnamese, 1,234,567.5 in English); other text unchanged."""
    if not _NUMBER.fullmatch(value):
        return value
    whole, _, fraction = value.partition(".")
    grouped = f"{int(whole):,}".replace(",", thousands)
    return f"{grouped}{point}{fraction}" if fraction else grouped
