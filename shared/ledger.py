"""The ledger of a transaction: rows that are only ever added, such as audit rows and events, written together at its end."""

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, cast

from pydantic_core import to_json
from sqlalchemy import ARRAY, JSON, Insert, Table, event, insert
from sqlalchemy.orm import Session as OrmSession
from sqlalchemy.orm import SessionTransaction
from sqlalchemy.types import TypeEngine

from shared.db import DIALECT
from shared.driver import Connection, Statement

PARAMETERS = 50
"""The most in one statement: the driver keeps what it knows of a statement with so many, and reads a longer one anew."""
Row = dict[str, Any]


def append(session: OrmSession, into: Table | Insert, row: Row | object) -> None:
    """Add a row; it is stored when the transaction commits, unless the savepoint within which it was added is undone.

    `into` is a table, or an insert of the module's own whose parameters `row` gives. An object of a model is written as
    it is at the commit.
    """
    if not session.in_transaction():
        session.begin()
    session.info.setdefault("ledger", []).append((session.get_nested_transaction(), into, row))


@event.listens_for(OrmSession, "before_commit")
def _write(session: OrmSession) -> None:
    """Give what was added to the commit, to be written after all else and while every row is still locked."""
    session.flush()
    added = session.info.pop("ledger", [])
    if (savepoint := session.get_nested_transaction()) is not None:
        outer = savepoint.parent if savepoint.parent and savepoint.parent.nested else None
        session.info["ledger"] = [(outer if within is savepoint else within, *entry) for within, *entry in added]
    elif added:
        driver = cast("Connection", session.connection().connection.driver_connection)
        driver.last += _statements(added)


@event.listens_for(OrmSession, "after_soft_rollback")
def _forget(session: OrmSession, undone: SessionTransaction) -> None:
    """Drop what was added within the transaction, or the savepoint, that is undone."""
    kept = [entry for entry in session.info.pop("ledger", ()) if undone.nested and entry[0] is not undone]
    session.info["ledger"] = kept


def _statements(added: list[tuple[Any, Any, Row | object]]) -> Iterator[Statement]:
    """Return the statements that write the rows, table by table in the order in which they were first added to."""
    rows: dict[tuple[Table | Insert, tuple[str, ...]], list[Row]] = {}
    for _, into, entry in added:
        row = entry if isinstance(entry, dict) else _told(into, vars(entry))
        rows.setdefault((into, tuple(row)), []).append(row)
    for (into, columns), some in rows.items():
        at_once = max(1, PARAMETERS // len(columns)) if isinstance(into, Table) else 1
        for first in range(0, len(some), at_once):
            yield _statement(into, columns, some[first : first + at_once])


def _statement(into: Table | Insert, columns: tuple[str, ...], rows: list[Row]) -> Statement:
    text, binds = _compiled(into, columns, len(rows))
    values = (value for row in rows for value in row.values())
    return text, {name: bind(value) if bind else value for (name, bind), value in zip(binds, values, strict=True)}


def _told(table: Table, fields: Row) -> Row:
    """Return what an object tells: not what the database fills."""
    return {name: fields[name] for name in _columns(table)}


@cache
def _columns(table: Table) -> list[str]:
    return [column.name for column in table.columns if column.identity is None]


@cache
def _compiled(into: Table | Insert, columns: tuple[str, ...], rows: int) -> tuple[str, list[tuple[str, Any]]]:
    """Return SQL, and its parameters in the order of the rows' values, each with what the driver needs done to it."""
    if isinstance(into, Table):
        into = insert(into).inline().values([dict.fromkeys(columns)] * rows)
        names = [f"{column}_m{row}" for row in range(rows) for column in columns]
    else:
        names = list(columns)
    compiled = into.compile(dialect=DIALECT)
    return str(compiled), [(name, _binding(compiled.binds[name].type)) for name in names]


def _binding(kind: TypeEngine[Any]) -> Callable[[Any], Any] | None:
    """Return what turns a value into one that the driver takes as it is: its own ways with lists and JSON are slow."""
    if isinstance(kind, ARRAY):
        return _array
    if isinstance(kind, JSON):
        return _json
    return kind.dialect_impl(DIALECT).bind_processor(DIALECT)


def _array(values: Iterable[Any] | None) -> str | None:
    """Write an array as PostgreSQL reads it."""
    if values is None:
        return None
    return "{" + ",".join(["NULL" if value is None else _quoted(str(value)) for value in values]) + "}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _json(value: Any) -> str:
    return to_json(value).decode()
