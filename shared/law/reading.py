"""How a file of the book of law becomes entries; whatever it does not understand it refuses, naming file and entry."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

GROUP_MARK = "@"
"""Before the name of a group of countries in a condition."""

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_SHEET_KEYS = frozenset({"kind", "selected_by", "texts", "entry", "group"})
_ENTRY_KEYS = frozenset({"id", "from", "to", "citation", "confirmed", "note", "conditions", "values"})
_GROUP_KEYS = frozenset({"id", "members", "confirmed", "note"})


class LawError(ValueError):
    """A file of the book cannot be used; the message names the file and the entry."""


@dataclass(frozen=True, slots=True)
class Citation:
    """Where a rule stands: a document, and in it an article or annex and its clause ("2c" is point c of clause 2)."""

    document: str
    document_vi: str
    article: str = ""
    clause: str = ""
    annex: str = ""

    @property
    def en(self) -> str:
        """The citation in English: "Law 69/2020/QH14, Article 7, clause 8"."""
        return self._join(self.document, ("Annex", self.annex), ("Article", self.article), ("clause", self.clause))

    @property
    def vi(self) -> str:
        """The citation in Vietnamese: "Luật 69/2020/QH14, Điều 7, khoản 8"."""
        return self._join(self.document_vi, ("Phụ lục", self.annex), ("Điều", self.article), ("khoản", self.clause))

    @staticmethod
    def _join(document: str, *parts: tuple[str, str]) -> str:
        return ", ".join((document, *(f"{word} {number}" for word, number in parts if number)))


@dataclass(frozen=True, slots=True)
class Text:
    """A sentence in both languages, with names of numbers in braces."""

    vi: str
    en: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One rule with the days on which it holds (both included, no end: until further notice) and what it applies to."""

    id: str
    kind: str
    valid_from: date
    valid_to: date | None
    selected_by: str
    """Which date of the matter picks the entry, for example "sending_contract_signed_on"."""
    citation: Citation
    confirmed: bool
    """False where the text was read in one weak copy only, or is remembered rather than read."""
    conditions: Mapping[str, frozenset[str]]
    values: Mapping[str, str]
    note: str = ""

    def holds_on(self, day: date) -> bool:
        """Whether the rule is in force on that day."""
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)

    def applies_to(self, matter: Mapping[str, str]) -> bool:
        """Whether every condition names what the matter has."""
        return all(matter.get(key) in allowed for key, allowed in self.conditions.items())

    def decimal(self, key: str) -> Decimal:
        """Return the value as an exact number; KeyError if the entry has none of that name."""
        return Decimal(self.values[key])

    def integer(self, key: str) -> int:
        """Return the value as a whole number; KeyError if the entry has none of that name."""
        return int(self.values[key])


@dataclass(frozen=True, slots=True)
class Group:
    """Countries that a rule names together; confirmed if their list was read where the rule stands."""

    id: str
    members: frozenset[str]
    confirmed: bool


@dataclass(frozen=True, slots=True)
class Sheet:
    """What one file holds, before groups are spelled out."""

    name: str
    entries: tuple[Entry, ...] = ()
    groups: tuple[Group, ...] = ()
    texts: Mapping[tuple[str, str], Text] = field(default_factory=lambda: MappingProxyType({}))


def read_sheet(name: str, content: str) -> Sheet:
    """Read one TOML file; LawError if anything in it is missing, unknown or of the wrong kind."""
    try:
        table = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        message = f"{name}: {error}"
        raise LawError(message) from error
    where = _Place(name)
    where.known(table, _SHEET_KEYS)
    kind = where.string(table, "kind")
    return Sheet(
        name=name,
        entries=tuple(_entry(where, kind, table, row) for row in where.tables(table, "entry")),
        groups=tuple(_group(where, row) for row in where.tables(table, "group")),
        texts=_texts(where, kind, where.table(table, "texts")),
    )


@dataclass(frozen=True, slots=True)
class _Place:
    """Where we are reading, so that a refusal can say so; each method returns a value of one type or refuses."""

    name: str

    def refuse(self, why: str) -> LawError:
        return LawError(f"{self.name}: {why}")

    def within(self, part: str) -> "_Place":
        return _Place(f"{self.name}, {part}")

    def known(self, table: Mapping[str, Any], keys: frozenset[str]) -> None:
        if unknown := sorted(set(table) - keys):
            raise self.refuse(f"unknown {', '.join(unknown)}")

    def get(self, table: Mapping[str, Any], key: str, kind: type) -> Any:
        value = table.get(key)
        if not isinstance(value, kind) or isinstance(value, datetime):
            raise self.refuse(f"{key} must be a {kind.__name__}")
        return value

    def string(self, table: Mapping[str, Any], key: str) -> str:
        value: str = self.get(table, key, str)
        return value

    def table(self, table: Mapping[str, Any], key: str) -> dict[str, Any]:
        value: dict[str, Any] = self.get({key: {}, **table}, key, dict)
        return value

    def tables(self, table: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
        rows: list[Any] = self.get({key: [], **table}, key, list)
        if not all(isinstance(row, dict) for row in rows):
            raise self.refuse(f"{key} must be a list of tables")
        return rows

    def strings(self, table: Mapping[str, Any], key: str) -> frozenset[str]:
        value = table.get(key)
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list) or not values or not all(isinstance(one, str) for one in values):
            raise self.refuse(f"{key} must be a string or a list of strings")
        return frozenset(values)


def _entry(sheet: _Place, kind: str, table: Mapping[str, Any], row: Mapping[str, Any]) -> Entry:
    where = sheet.within(sheet.string(row, "id"))
    where.known(row, _ENTRY_KEYS)
    start, end = where.get(row, "from", date), where.get(row, "to", date) if "to" in row else None
    if end is not None and end < start:
        raise where.refuse("it ends before it starts")
    conditions = where.table(row, "conditions")
    return Entry(
        id=row["id"],
        kind=kind,
        valid_from=start,
        valid_to=end,
        selected_by=sheet.string(table, "selected_by"),
        citation=_citation(where, where.table(row, "citation")),
        confirmed=where.get(row, "confirmed", bool),
        conditions=MappingProxyType({key: where.strings(conditions, key) for key in conditions}),
        values=MappingProxyType(_values(where, where.table(row, "values"))),
        note=where.string({"note": "", **row}, "note"),
    )


def _values(where: _Place, table: Mapping[str, Any]) -> dict[str, str]:
    """Numbers are strings, so that no binary fraction comes near them; words are strings too."""
    values = {key: where.string(table, key) for key in table}
    for key, value in values.items():
        if value[:1].isdigit() and not _NUMBER.fullmatch(value):
            raise where.refuse(f"{key} is not a plain number")
    return values


def _citation(where: _Place, table: Mapping[str, Any]) -> Citation:
    where.known(table, frozenset(Citation.__slots__))
    for key in ("document", "document_vi", *table):
        where.string(table, key)
    return Citation(**table)


def _group(sheet: _Place, row: Mapping[str, Any]) -> Group:
    where = sheet.within(sheet.string(row, "id"))
    where.known(row, _GROUP_KEYS)
    return Group(id=row["id"], members=where.strings(row, "members"), confirmed=where.get(row, "confirmed", bool))


def _texts(sheet: _Place, kind: str, table: Mapping[str, Any]) -> Mapping[tuple[str, str], Text]:
    texts = {}
    for code in table:
        where, row = sheet.within(f"texts.{code}"), sheet.table(table, code)
        where.known(row, frozenset({"vi", "en"}))
        texts[kind, code] = Text(vi=where.string(row, "vi"), en=where.string(row, "en"))
    return MappingProxyType(texts)
