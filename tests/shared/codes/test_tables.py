"""How a list of codes is read, and how it answers on a day."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.codes.lists import Province
from shared.codes.tables import Code, CodeList, load, parse, version

HEADER = "code,vi,en,kind,valid_from,valid_to,confirmed\n"


def a_list(*lines: str) -> CodeList[Province]:
    return CodeList(version("provinces"), parse("provinces", HEADER + "\n".join(lines), Province))


def test_a_row_is_typed_and_an_empty_cell_takes_the_default() -> None:
    rows = parse("provinces", HEADER + "75,Đồng Nai,Dong Nai,city,2026-04-30,,false", Province)

    assert rows == (
        Province(code="75", vi="Đồng Nai", en="Dong Nai", kind="city", valid_from=date(2026, 4, 30), confirmed=False),
    )


def test_a_code_answers_with_the_row_of_the_day_and_without_a_day_with_the_latest() -> None:
    codes = a_list("1,Một,One,province,2025-07-01,2026-04-29,", "1,Một,One,city,2026-04-30,,")

    assert [codes.get("1", on=day) for day in (date(2025, 6, 30),)] == [None]
    assert codes.get("1", on=date(2026, 4, 29)).kind == "province"  # type: ignore[union-attr]
    assert codes.get("1", on=date(2026, 4, 30)).kind == "city"  # type: ignore[union-attr]
    assert codes.get("1").kind == "city"  # type: ignore[union-attr]


def test_all_gives_each_code_once_and_leaves_out_what_does_not_hold() -> None:
    codes = a_list("1,Một,One,province,2025-07-01,2026-04-29,", "1,Một,One,city,2026-04-30,,", "2,Hai,Two,city,,,")

    assert [row.code for row in codes.all()] == ["1", "2"]
    assert [row.code for row in codes.all(on=date(2020, 1, 1))] == ["2"]
    assert len(codes) == 2


def test_membership_is_by_code() -> None:
    codes = a_list("1,Một,One,province,,,")

    assert "1" in codes
    assert "2" not in codes
    assert None not in codes
    assert codes.get("2") is None


@pytest.mark.parametrize(
    "line",
    [
        "1,Một,One,province,1 July,,",
        "1,Một,One,province,,,maybe",
        "1,Một,One,province,,,,too many",
        "1,Một,One,,,,",
    ],
)
def test_a_line_that_does_not_parse_is_named(line: str) -> None:
    with pytest.raises(ValueError, match=r"provinces\.csv, line 2"):
        a_list(line)


def test_an_unknown_column_is_refused() -> None:
    with pytest.raises(ValueError, match=r"provinces\.csv"):
        parse("provinces", "code,vi,en,colour\n1,a,b,red\n", Code)


def test_a_list_without_a_manifest_entry_is_refused() -> None:
    with pytest.raises(KeyError):
        version("no such list")


def test_a_list_carries_its_edition() -> None:
    sexes = load("sexes", Code)

    assert (sexes.name, sexes.version) == ("sexes", "1")
    assert sexes.dated_on <= date(2026, 12, 31)
    assert sexes.source


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_as_a_value_error(line: str) -> None:
    try:
        rows = parse("sexes", "code,vi,en\n" + line, Code)
    except ValueError:
        return

    assert all(row.code and row.vi and row.en for row in rows)
