"""The audit trail: every stored change by itself, reads and denials by one call; beside the act, in its transaction."""

from typing import Any

from sqlalchemy import Connection, event, insert, inspect
from sqlalchemy.orm import InstanceState, UOWTransaction
from sqlalchemy.orm import Session as OrmSession
from sqlmodel import Session

from shared.runtime import Act, Runtime, act_of
from shared.tables import audit

UNTOLD = frozenset({"version", "updated_at"})
"""Columns that change with every change and so tell nothing."""


def record_read(session: Session, row: Any) -> None:
    """Record that the actor read this row's personal details."""
    _insert(session.connection(), act_of(session), [_entry(row, "read", [])])


def record_listing(session: Session, kind: str) -> None:
    """Record that the actor read through a list of `kind`."""
    entry: dict[str, Any] = {"outcome": "read", "kind": kind, "row_id": None, "fields": []}
    _insert(session.connection(), act_of(session), [entry])


def record_denial(runtime: Runtime, act: Act, kind: str, row_id: str | None) -> None:
    """Record a refusal in a transaction of its own, after the refused one is gone."""
    entry: dict[str, Any] = {"outcome": "denied", "kind": kind, "row_id": row_id, "fields": []}
    with runtime.engine.begin() as connection:
        _insert(connection, act, [entry])


def _entry(row: Any, outcome: str, fields: list[str]) -> dict[str, Any]:
    return {"outcome": outcome, "kind": row.__tablename__, "row_id": str(row.id), "fields": fields}


def _insert(connection: Connection, act: Act, entries: list[dict[str, Any]]) -> None:
    who = {
        "actor": act.actor,
        "roles": list(act.roles),
        "operation": act.operation,
        "reason": act.reason,
        "address": act.address,
        "correlation_id": act.correlation_id,
    }
    connection.execute(insert(audit), [{**who, **entry} for entry in entries])


def _changed_fields(row: Any) -> list[str]:
    state: InstanceState[Any] = inspect(row)
    changed = (attr.key for attr in state.attrs if attr.key not in UNTOLD and attr.history.has_changes())
    return sorted(changed)


@event.listens_for(OrmSession, "after_flush")
def _record_changes(session: OrmSession, _context: UOWTransaction) -> None:
    """Write an audit row for each row this flush stored: no route and no handler can forget it."""
    entries = [_entry(row, "created", []) for row in session.new]
    entries += [_entry(row, "deleted", []) for row in session.deleted]
    for row in session.dirty:
        fields = _changed_fields(row)
        if fields:
            entries.append(_entry(row, "changed", fields))
    if entries and "act" in session.info:
        _insert(session.connection(), session.info["act"], entries)
