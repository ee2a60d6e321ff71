"""The book answers by date and matter, and refuses what it cannot answer surely."""

import json
import shutil
from datetime import date, timedelta
from decimal import Decimal
from importlib.resources import as_file, files
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.law.book import BOOK, LawBook, LawError
from shared.law.fees import ContractFacts, CostItem, CostKind, JobCode, assess
from shared.law.reading import Citation, read_sheet

CITATION = 'citation = { document = "Law 1", document_vi = "Luật 1", article = "2" }'
HEAD = 'kind = "limit"\nselected_by = "done_on"\n'


def an_entry(
    name: str, start: str = "2022-01-01", end: str | None = None, conditions: str = "", values: str = 'days = "5"'
) -> str:
    until = f"to = {end}\n" if end else ""
    return (
        f'[[entry]]\nid = "{name}"\nfrom = {start}\n{until}{CITATION}\nconfirmed = true\n'
        f"conditions = {{ {conditions} }}\nvalues = {{ {values} }}\n"
    )


def a_group(name: str, members: str = '["SA", "AE"]', confirmed: str = "false") -> str:
    return f'[[group]]\nid = "{name}"\nmembers = {members}\nconfirmed = {confirmed}\n'


def a_book(*parts: str) -> LawBook:
    return LawBook([read_sheet("test.toml", HEAD + "".join(parts))])


def test_the_day_before_and_the_day_after_a_boundary_select_different_entries() -> None:
    book = a_book(an_entry("old", end="2026-06-30"), an_entry("new", start="2026-07-01"))

    assert book.find("limit", on=date(2026, 6, 30)).id == "old"
    assert book.find("limit", on=date(2026, 7, 1)).id == "new"


def test_the_entry_with_more_conditions_answers() -> None:
    book = a_book(an_entry("any"), an_entry("korea", conditions='market = "KR"'))

    assert book.find("limit", on=date(2026, 1, 1), market="KR").id == "korea"
    assert book.find("limit", on=date(2026, 1, 1), market="JP").id == "any"
    assert book.find("limit", on=date(2026, 1, 1)).id == "any"


def test_a_group_stands_for_its_members_and_passes_on_its_doubt() -> None:
    book = a_book(a_group("gulf"), an_entry("gulf", conditions='market = ["@gulf", "KR"]'))

    entry = book.find("limit", on=date(2026, 1, 1), market="SA")

    assert entry.conditions["market"] == {"SA", "AE", "KR"}
    assert not entry.confirmed


def test_a_sure_group_leaves_its_entry_sure() -> None:
    book = a_book(a_group("gulf", confirmed="true"), an_entry("gulf", conditions='market = "@gulf"'))

    assert book.find("limit", on=date(2026, 1, 1), market="AE").confirmed


@pytest.mark.parametrize(
    ("kind", "on", "matter", "words"),
    [
        ("limit", date(2021, 12, 31), {}, "no limit entry is in force on 2021-12-31 for anything"),
        ("limit", date(2024, 1, 1), {"market": "KR"}, "on 2024-01-01 for market = KR"),
        ("speed", date(2022, 1, 1), {}, "no speed entry"),
    ],
)
def test_a_question_without_a_rule_is_answered_in_clear_words(
    kind: str, on: date, matter: dict[str, str], words: str
) -> None:
    book = a_book(an_entry("japan", end="2023-12-31"))

    with pytest.raises(LookupError, match=words):
        book.find(kind, on=on, **matter)


def test_values_are_exact_numbers() -> None:
    entry = a_book(an_entry("a", values='months = "0.7", days = "7"')).find("limit", on=date(2026, 1, 1))

    assert str(entry.decimal("months")) == "0.7"
    assert entry.integer("days") == 7
    with pytest.raises(KeyError):
        entry.decimal("years")


@pytest.mark.parametrize(
    "second",
    [
        an_entry("b"),
        an_entry("b", start="2030-01-01"),
        an_entry("b", start="2020-01-01", end="2022-01-01"),
        an_entry("a", start="2020-01-01", end="2021-12-31"),
    ],
)
def test_two_entries_that_could_both_answer_are_refused(second: str) -> None:
    with pytest.raises(LawError, match=r"same question|two entries are called"):
        a_book(an_entry("a"), second)


def test_entries_of_equal_weight_with_different_conditions_are_refused_when_one_matter_fulfils_both() -> None:
    with pytest.raises(LawError, match="same question"):
        a_book(an_entry("a", conditions='market = "KR"'), an_entry("b", conditions='job = "farm"'))


def test_entries_for_different_matters_or_days_stand_side_by_side() -> None:
    book = a_book(
        an_entry("a", end="2023-12-31"),
        an_entry("b", start="2024-01-01"),
        an_entry("c", conditions='market = "KR"'),
        an_entry("d", conditions='market = ["JP", "TW"]'),
    )

    assert len(book.entries) == 4


@pytest.mark.parametrize(
    ("sheet", "words"),
    [
        ("kind = ", "test.toml"),
        ("selected_by = 'x'", "kind must be a str"),
        (HEAD + "colour = 1", "unknown colour"),
        (HEAD + "entry = 3", "entry must be a list"),
        (HEAD + "entry = [3]", "entry must be a list of tables"),
        ('kind = "limit"\n' + an_entry("a"), "selected_by must be a str"),
        (HEAD + "[[entry]]\nfrom = 2022-01-01", "id must be a str"),
        (HEAD + an_entry("a") + "unknown = 1", "unknown"),
        (HEAD + an_entry("a", start="'2022-01-01'"), "a: from must be a date"),
        (HEAD + an_entry("a", start="2022-01-01T00:00:00"), "a: from must be a date"),
        (HEAD + an_entry("a", end="2021-12-31"), "a: it ends before it starts"),
        (HEAD + an_entry("a", end="1"), "a: to must be a date"),
        (HEAD + an_entry("a", values="days = 5"), "a: days must be a str"),
        (HEAD + an_entry("a", values='days = "5e3"'), "a: days is not a plain number"),
        (HEAD + an_entry("a", conditions="market = 1"), "a: market must be a string or a list"),
        (HEAD + an_entry("a", conditions="market = []"), "a: market must be a string or a list"),
        (HEAD + an_entry("a", conditions="market = [1]"), "a: market must be a string or a list"),
        (HEAD + an_entry("a").replace("confirmed = true", ""), "a: confirmed must be a bool"),
        (HEAD + an_entry("a").replace('document = "Law 1", ', ""), "a: document must be a str"),
        (HEAD + an_entry("a").replace('article = "2"', "article = 2"), "a: article must be a str"),
        (HEAD + an_entry("a").replace('article = "2"', 'page = "2"'), "a: unknown page"),
        (HEAD + a_group("g") + "colour = 1", "g: unknown colour"),
        (HEAD + a_group("g", members="[]"), "g: members must be"),
        (HEAD + '[texts.over]\nvi = "a"', "texts.over: en must be a str"),
        (HEAD + '[texts.over]\nvi = "a"\nen = "b"\nko = "c"', "texts.over: unknown ko"),
        (HEAD + "texts = 1", "texts must be a dict"),
    ],
)
def test_a_sheet_with_a_fault_is_refused_with_its_place(sheet: str, words: str) -> None:
    with pytest.raises(LawError, match=words):
        read_sheet("test.toml", sheet)


def test_an_unknown_group_is_refused() -> None:
    with pytest.raises(LawError, match="no group gulf"):
        a_book(an_entry("a", conditions='market = "@gulf"'))


def test_a_group_or_a_sentence_that_exists_twice_is_refused() -> None:
    group = read_sheet("a.toml", HEAD + a_group("gulf"))
    text = read_sheet("b.toml", HEAD + '[texts.over]\nvi = "a"\nen = "b"')

    with pytest.raises(LawError, match="the group gulf exists already"):
        LawBook([group, group])
    with pytest.raises(LawError, match="exists already"):
        LawBook([text, text])


def test_a_sentence_the_book_lacks_is_a_lookup_error() -> None:
    with pytest.raises(LookupError, match="no sentence over for limit"):
        a_book().text("limit", "over")


def test_a_citation_reads_in_both_languages() -> None:
    law = Citation(document="Law 69/2020/QH14", document_vi="Luật 69/2020/QH14", article="7", clause="8")
    annex = Citation(document="Circular 2", document_vi="Thông tư 2", annex="XI")

    assert (law.vi, law.en) == ("Luật 69/2020/QH14, Điều 7, khoản 8", "Law 69/2020/QH14, Article 7, clause 8")
    assert (annex.vi, annex.en) == ("Thông tư 2, Phụ lục XI", "Circular 2, Annex XI")


def test_adding_a_file_changes_the_answer_without_touching_code(tmp_path: Path) -> None:
    with as_file(files("shared.law").joinpath("entries")) as shipped:
        shutil.copytree(shipped, tmp_path / "entries")
    sheet = an_entry(
        "macao",
        start="2027-01-01",
        conditions='market = "MO", job = "domestic_work", extension = "no"',
        values='months_of_wage = "0", per_months = "12"',
    )
    (tmp_path / "entries" / "new_circular.toml").write_text(
        HEAD.replace("limit", "service_fee_ceiling") + sheet, encoding="utf-8"
    )
    (tmp_path / "entries" / "README").write_text("not an entry", encoding="utf-8")
    facts = ContractFacts(
        market="MO",
        job=JobCode.DOMESTIC_WORK,
        monthly_wage=Decimal(4500),
        currency="MOP",
        months=12,
        sending_contract_signed_on=date(2027, 1, 1),
    )
    paid = [CostItem(CostKind.SERVICE_FEE, Decimal(4500), "MOP")]

    before = assess(facts, paid)[0]
    after = assess(facts, paid, book=LawBook.load(tmp_path / "entries"))[0]

    assert (before.code, before.numbers["ceiling"]) == ("within_ceiling", "4500")
    assert (after.code, after.numbers["ceiling"]) == ("over_ceiling", "0")


def test_every_shipped_entry_is_cited_and_names_the_date_that_selects_it() -> None:
    assert BOOK.entries
    assert all(entry.citation.document and entry.citation.document_vi for entry in BOOK.entries)
    assert {entry.selected_by for entry in BOOK.entries} == {"received_on", "sending_contract_signed_on"}


@pytest.mark.parametrize(
    ("entry", "confirmed"),
    [
        ("ceiling-general", True),
        ("ceiling-japan-zero", True),
        ("brokerage-2022", True),
        ("state-acceptance-2012", True),
        ("state-acceptance-2026", False),
        ("state-first-decision-plain-2012", True),
        ("state-first-decision-plain-2026", False),
        ("agency-acceptance-2018", False),
        ("agency-first-decision-plain-2018", False),
        ("agency-second-decision-complex-2018", False),
        ("ceiling-japan-zero-2022", False),
        ("ceiling-west-asia-domestic", False),
        ("civil-code-counting", False),
    ],
)
def test_what_was_read_in_one_weak_copy_or_remembered_is_unconfirmed(entry: str, confirmed: bool) -> None:
    assert {one.id: one.confirmed for one in BOOK.entries}[entry] is confirmed


def test_entries_that_follow_each_other_leave_no_day_between_them() -> None:
    ends = [entry for entry in BOOK.entries if entry.valid_to is not None]
    starts = {(entry.kind, entry.valid_from) for entry in BOOK.entries}

    assert all((entry.kind, entry.valid_to + timedelta(days=1)) in starts for entry in ends if entry.valid_to)


def reads_or_refuses(content: str) -> bool:
    """Say whether a sheet is read, or else refused as a law error that names the file; other errors pass through."""
    try:
        read_sheet("fuzz.toml", content)
    except LawError as error:
        return str(error).startswith("fuzz.toml")
    return True


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=80))
def test_any_file_is_read_or_refused_with_its_name(content: str) -> None:
    assert reads_or_refuses(HEAD + content)


VALUES = st.recursive(
    st.booleans() | st.integers() | st.text("ab@1-", max_size=5), lambda inner: st.lists(inner, max_size=2)
)
KEYS = ["id", "from", "to", "confirmed", "note", "conditions", "values", "citation"]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(KEYS), VALUES)
def test_an_entry_with_any_one_value_replaced_is_read_or_refused(key: str, value: object) -> None:
    lines = [line for line in an_entry("a").splitlines() if not line.startswith(f"{key} ")]

    replaced = HEAD + "\n".join([*lines, f"{key} = {json.dumps(value)}"])

    assert reads_or_refuses(replaced)
