"""What comes in is taken strictly, what goes out is listed field by field."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from shared import codes
from shared.schema import ComplaintCode, CountryCode, Day, Input, Line, Name, Narrative, OfficeCode, Output, code_of


class Note(Input):
    """A body with one line."""

    line: Line


class Shown(Output):
    """An answer with one field."""

    line: str


@dataclass
class Row:
    """A stored row that has more than is shown."""

    line: str
    secret: str


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(ValidationError):
        Note.model_validate({"line": "a", "more": 1})


def test_white_space_around_text_does_not_count() -> None:
    assert Note(line="  a b \n").line == "a b"


@pytest.mark.parametrize("line", ["", "   ", "\t\n"])
def test_nothing_but_white_space_is_nothing(line: str) -> None:
    with pytest.raises(ValidationError):
        Note(line=line)


def test_an_input_does_not_change_once_it_is_taken() -> None:
    note = Note(line="a")

    with pytest.raises(ValidationError):
        note.line = "b"  # type: ignore[misc]


def test_an_answer_shows_its_fields_and_nothing_else_of_the_row() -> None:
    assert Shown.model_validate(Row("a", "b")).model_dump() == {"line": "a"}


@pytest.mark.parametrize(
    ("kind", "code"), [(CountryCode, "TW"), (ComplaintCode, "unpaid_wages"), (OfficeCode, "osso-ha-noi")]
)
def test_a_code_of_its_list_is_taken_and_no_other(kind: Any, code: str) -> None:
    adapter: TypeAdapter[str] = TypeAdapter(kind)

    assert adapter.validate_python(code) == code
    for wrong in ("", code + "x", code.swapcase(), " " + code, "x" * 65):
        with pytest.raises(ValidationError):
            adapter.validate_python(wrong)


@pytest.mark.parametrize(("kind", "limit"), [(Name, 200), (Line, 200), (Narrative, 20_000)])
def test_texts_are_bounded(kind: Any, limit: int) -> None:
    adapter: TypeAdapter[str] = TypeAdapter(kind)

    assert adapter.validate_python("ằ" * limit)
    with pytest.raises(ValidationError):
        adapter.validate_python("a" * (limit + 1))


def test_a_refused_code_is_told_by_the_name_of_its_list() -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(code_of(codes.sexes)).validate_python("unheard")

    assert "sexes" in str(refused.value.errors()[0]["ctx"]["error"])


class Answers(Input):
    """A body with what pydantic would guess at."""

    satisfied: bool = False
    months: int = 0
    on: date | None = None
    days: list[date] = Field(default_factory=list)


@pytest.mark.parametrize(
    ("field", "guessed"),
    [
        ("satisfied", 0),
        ("satisfied", "no"),
        ("months", "12"),
        ("months", True),
        ("months", 12.0),
        ("on", 0),
        ("on", "86400"),
        ("on", "2026-03-02T00:00:00"),
        ("on", True),
        ("days", [0]),
    ],
)
def test_what_a_field_does_not_say_is_not_guessed(field: str, guessed: Any) -> None:
    with pytest.raises(ValidationError):
        Answers.model_validate({field: guessed})


def test_truth_values_whole_numbers_and_days_are_taken_as_json_writes_them() -> None:
    sent = {"satisfied": True, "months": 12, "on": "2026-03-02", "days": ["2026-03-02"]}

    taken = Answers.model_validate(sent)

    assert taken == Answers(satisfied=True, months=12, on=date(2026, 3, 2), days=[date(2026, 3, 2)])


@pytest.mark.parametrize("guessed", ["0", "86400", "2026-03-02T00:00:00"])
def test_a_day_in_a_query_is_written_as_a_day(guessed: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Day).validate_python(guessed)


def test_the_description_of_a_code_names_the_codes() -> None:
    described = TypeAdapter(OfficeCode).json_schema()

    assert described["enum"] == [row.code for row in codes.offices.all()]
