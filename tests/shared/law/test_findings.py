"""A finding speaks both languages, cites its article, and never convicts."""

from datetime import date
from decimal import Decimal

import pytest

from shared.law.book import BOOK, LawBook
from shared.law.findings import Outcome, plain, say
from shared.law.reading import read_sheet

VERDICTS = ("đã vi phạm", "vi phạm pháp luật", "phạm tội", "is guilty", "has violated", "violates", "illegally")


def a_book(vi: str, en: str) -> LawBook:
    return LawBook([read_sheet("t.toml", f'kind = "k"\nselected_by = "d"\n[texts.c]\nvi = "{vi}"\nen = "{en}"')])


def test_numbers_and_days_are_written_as_their_readers_write_them() -> None:
    book = a_book("{a} {b} {c} {d}", "{a} {b} {c} {d}")

    finding = say(
        book, "k", "c", Outcome.INFORMATION, {"a": "190000000", "b": "-1234.5", "c": "2026-07-01", "d": "VND"}
    )

    assert finding.vi == "190.000.000 -1.234,5 01/07/2026 VND"
    assert finding.en == "190,000,000 -1,234.5 2026-07-01 VND"
    assert finding.numbers["a"] == "190000000"


def test_without_an_entry_a_finding_cites_nothing_and_is_unconfirmed() -> None:
    finding = say(a_book("a", "a"), "k", "c", Outcome.NEEDS_REVIEW, {})

    assert finding.citation is None
    assert not finding.confirmed


def test_with_an_entry_it_carries_citation_and_flag() -> None:
    entry = BOOK.find("brokerage", on=date(2026, 1, 1))

    finding = say(a_book("a", "a"), "k", "c", Outcome.INFORMATION, {}, entry=entry)

    assert (finding.citation, finding.confirmed) == (entry.citation, True)


@pytest.mark.parametrize(
    ("number", "text"), [("75000000.00", "75000000"), ("0.70", "0.7"), ("1E+3", "1000"), ("0", "0")]
)
def test_numbers_are_plain(number: str, text: str) -> None:
    assert plain(Decimal(number)) == text


def test_no_sentence_of_the_book_convicts_and_those_that_accuse_say_indication() -> None:
    texts = [BOOK.text(*key) for key in BOOK._texts]

    assert not [text for text in texts for verdict in VERDICTS if verdict in (text.vi + text.en).lower()]
    for kind, code in [
        ("service_fee_ceiling", "over_ceiling"),
        ("brokerage", "brokerage_charged"),
        ("service_fee_timing", "fee_before_allowed"),
    ]:
        assert BOOK.text(kind, code).vi.startswith("Có dấu hiệu")
        assert BOOK.text(kind, code).en.startswith("Indication")
