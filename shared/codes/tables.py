"""What a versioned list of codes is, and how one is read from its data file."""

import csv
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any, Generic, TypeVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """One row of a list: what is stored (`code`), what is shown (`vi`, `en`), first and last day on which it holds."""

    code: str
    vi: str
    en: str
    valid_from: date | None = None
    valid_to: date | None = None
    confirmed: bool = True
    """False where nobody has yet compared the row with its official source."""

    def holds_on(self, day: date) -> bool:
        """Whether the row is in force on that day; an open end holds for ever."""
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day <= self.valid_to)


Row = TypeVar("Row", bound=Code)


@dataclass(frozen=True, slots=True)
class ListVersion:
    """Which edition of a list is in use: store `version` beside a code, because later editions reuse numbers."""

    name: str
    version: str
    dated_on: date
    source: str


class CodeList(Generic[Row]):
    """A list of codes in the order of its file; a code may have several rows, one after the other in time."""

    def __init__(self, version: ListVersion, rows: Iterable[Row]) -> None:
        self.name, self.version = version.name, version.version
        self.dated_on, self.source = version.dated_on, version.source
        self._rows = tuple(rows)
        self._by_code: dict[str, tuple[Row, ...]] = {}
        for row in self._rows:
            self._by_code[row.code] = (*self._by_code.get(row.code, ()), row)

    def get(self, code: str, on: date | None = None) -> Row | None:
        """Return the row of that code in force on that day, its latest row when no day is given, None without one."""
        rows = self._by_code.get(code, ())
        held = rows if on is None else tuple(row for row in rows if row.holds_on(on))
        return held[-1] if held else None

    def all(self, on: date | None = None) -> tuple[Row, ...]:
        """Every code once, as `get` would answer it, in the list's order."""
        return tuple(row for code in self._by_code if (row := self.get(code, on)) is not None)

    def __contains__(self, code: object) -> bool:
        return code in self._by_code

    def __len__(self) -> int:
        return len(self._by_code)


@cache
def _versions() -> dict[str, ListVersion]:
    text = files("shared.codes").joinpath("data", "lists.toml").read_text(encoding="utf-8")
    return {name: ListVersion(name=name, **entry) for name, entry in tomllib.loads(text).items()}


def version(name: str) -> ListVersion:
    """Return the edition of the list of that name; KeyError if the manifest does not know it."""
    return _versions()[name]


def load(name: str, row: type[Row]) -> CodeList[Row]:
    """Read the list of that name; ValueError names the file and line of a cell that does not parse."""
    text = files("shared.codes").joinpath("data", f"{name}.csv").read_text(encoding="utf-8")
    return CodeList(version(name), parse(name, text, row))


def parse(name: str, text: str, row: type[Row]) -> tuple[Row, ...]:
    """Read rows from CSV text whose header names fields of `row`; an empty cell takes the field's default."""
    reader = csv.DictReader(text.splitlines(), strict=True)
    kinds = {field.name: field.type for field in fields(row)}
    rows = []
    for cells in _lines(name, reader):
        try:
            filled = {column: cell for column, cell in cells.items() if cell}
            rows.append(row(**{column: READ[kinds[column]](cell) for column, cell in filled.items()}))
        except (KeyError, TypeError, ValueError) as error:
            message = f"{name}.csv, line {reader.line_num}: {error}"
            raise ValueError(message) from error
    return tuple(rows)


def _truth(cell: str) -> bool:
    return {"true": True, "false": False}[cell]


READ: dict[Any, Callable[[str], Any]] = {
    str: str,
    str | None: str,
    bool: _truth,
    date: date.fromisoformat,
    date | None: date.fromisoformat,
}
"""How a cell of a file becomes a value, by the type of the field it fills."""


def _lines(name: str, reader: "csv.DictReader[str]") -> Iterator[dict[str, str]]:
    """Read line by line; what is no CSV at all is a `ValueError` as well, and which texts are differs between Pythons."""
    try:
        yield from reader
    except csv.Error as error:
        message = f"{name}.csv, line {reader.line_num}: {error}"
        raise ValueError(message) from error
