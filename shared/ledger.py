"""The ledger of a transaction: rows that are only ever added, such as audit rows and events, written together at its end."""

from typing import Any

from sqlalchemy import Table, event, insert
from sqlalchemy.orm import Session as OrmSession
from sqlalchemy.orm import SessionTransaction


def append(session: OrmSession, table: Table, row: dict[str, Any]) -> None:
    """Add a row; it is stored when the transaction commits, or the savepoint within which it was added."""
    if not session.in_transaction():
        session.begin()
    session.info.setdefault("ledger", []).append((session.get_nested_transaction(), table, row))


@event.listens_for(OrmSession, "before_commit")
def _write(session: OrmSession) -> None:
    """Write what was added, one statement for each table, after all else and while every row is still locked."""
    session.flush()
    added: dict[Table, list[dict[str, Any]]] = {}
    for _, table, row in session.info.pop("ledger", ()):
        added.setdefault(table, []).append(row)
    for table, rows in added.items():
        session.connection().execute(insert(table).inline(), rows)


@event.listens_for(OrmSession, "after_soft_rollback")
def _forget(session: OrmSession, undone: SessionTransaction) -> None:
    """Drop what was added within the transaction, or the savepoint, that is undone."""
    kept = [entry for entry in session.info.pop("ledger", ()) if undone.nested and entry[0] is not undone]
    session.info["ledger"] = kept
