"""The book of dated, cited entries: every number the law can change is read here, never written in code."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import combinations
from types import MappingProxyType

from shared.law.reading import GROUP_MARK, Citation, Entry, Group, LawError, Sheet, Text, read_sheet

__all__ = ["BOOK", "Citation", "Entry", "LawBook", "LawError", "Text"]


class LawBook:
    """Entries of many kinds; a question names kind, day and matter, and the most specific entry in force answers it."""

    def __init__(self, sheets: Iterable[Sheet]) -> None:
        sheets = tuple(sheets)
        groups = _unique_groups(sheets)
        self.entries = tuple(_spelled_out(entry, groups) for sheet in sheets for entry in sheet.entries)
        self._texts = _unique_texts(sheets)
        _refuse_overlaps(self.entries)

    @classmethod
    def load(cls, folder: Traversable) -> "LawBook":
        """Read every TOML file of a folder; LawError if one cannot be used or two entries would answer one question."""
        named = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)
        return cls(read_sheet(file.name, file.read_text(encoding="utf-8")) for file in named)

    def find(self, kind: str, *, on: date, **matter: str) -> Entry:
        """Return the entry with the most conditions among those in force that day which the matter fulfils.

        LookupError, in words an officer can read, when the book knows no rule for it.
        """
        fitting = [entry for entry in self.entries if entry.kind == kind and entry.holds_on(on)]
        fitting = [entry for entry in fitting if entry.applies_to(matter)]
        if not fitting:
            asked = ", ".join(f"{key} = {value}" for key, value in matter.items()) or "anything"
            message = f"no {kind} entry is in force on {on.isoformat()} for {asked}"
            raise LookupError(message)
        return max(fitting, key=lambda entry: len(entry.conditions))

    def text(self, kind: str, code: str) -> Text:
        """Return the sentence of that code; LookupError if the book has none."""
        if (kind, code) not in self._texts:
            message = f"the book has no sentence {code} for {kind}"
            raise LookupError(message)
        return self._texts[kind, code]


def _unique_groups(sheets: Iterable[Sheet]) -> dict[str, Group]:
    groups: dict[str, Group] = {}
    for sheet in sheets:
        for group in sheet.groups:
            if group.id in groups:
                message = f"{sheet.name}: the group {group.id} exists already"
                raise LawError(message)
            groups[group.id] = group
    return groups


def _unique_texts(sheets: Iterable[Sheet]) -> Mapping[tuple[str, str], Text]:
    texts: dict[tuple[str, str], Text] = {}
    for sheet in sheets:
        if twice := sorted(texts.keys() & sheet.texts.keys()):
            message = f"{sheet.name}: a sentence for {twice[0]} exists already"
            raise LawError(message)
        texts.update(sheet.texts)
    return MappingProxyType(texts)


def _spelled_out(entry: Entry, groups: Mapping[str, Group]) -> Entry:
    """Put a group's members in the place of its name; an entry is no surer than the groups it names."""
    named = {one[1:] for allowed in entry.conditions.values() for one in allowed if one.startswith(GROUP_MARK)}
    if unknown := sorted(named - groups.keys()):
        message = f"{entry.id}: there is no group {unknown[0]}"
        raise LawError(message)
    conditions = {
        key: frozenset(
            member for one in allowed for member in (groups[one[1:]].members if one.startswith(GROUP_MARK) else {one})
        )
        for key, allowed in entry.conditions.items()
    }
    confirmed = entry.confirmed and all(groups[name].confirmed for name in named)
    return replace(entry, conditions=MappingProxyType(conditions), confirmed=confirmed)


def _refuse_overlaps(entries: Iterable[Entry]) -> None:
    """Two entries of equal weight that could answer one question would make the answer a matter of file order."""
    for one, other in combinations(entries, 2):
        if one.id == other.id:
            message = f"two entries are called {one.id}"
            raise LawError(message)
        if _overlap(one, other):
            message = f"{one.id} and {other.id} would both answer the same question"
            raise LawError(message)


def _overlap(one: Entry, other: Entry) -> bool:
    if one.kind != other.kind or len(one.conditions) != len(other.conditions):
        return False
    starts_later, starts_earlier = (one, other) if one.valid_from >= other.valid_from else (other, one)
    if not starts_earlier.holds_on(starts_later.valid_from):
        return False
    shared = one.conditions.keys() & other.conditions.keys()
    return all(one.conditions[key] & other.conditions[key] for key in shared)


BOOK = LawBook.load(files("shared.law").joinpath("entries"))
"""The book that ships with the system."""
