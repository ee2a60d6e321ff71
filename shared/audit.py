"""The audit trail: every stored change by itself, reads and denials by one call; beside the act, in its transaction."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ARRAY, String, bindparam, event, func, insert, inspect, select
from sqlalchemy.orm import InstanceState, UOWTransaction
from sqlalchemy.orm import Session as OrmSession
from sqlmodel import Session

from shared import ledger
from shared.access import RowT
from shared.columns import made
from shared.runtime import Act, Runtime, act_of
from shared.tables import audit

_TOLD = ("actor", "roles", "operation", "outcome", "kind", "fields", "reason", "address", "correlation_id")
_READS = insert(audit).from_select(
    [*_TOLD, "row_id"],
    select(
        *(bindparam(name, type_=audit.c[name].type) for name in _TOLD),
        func.unnest(bindparam("row_id", type_=ARRAY(String))),
    ),
)
UNTOLD = frozenset({"version", "updated_at"})
"""Columns that change with every change and so tell nothing."""


def record_read(session: Session, row: Any) -> None:
    """Record that the actor read this row's personal details, after whatever this transaction changed before."""
    session.flush()
    _record(session, "read", row)


def record_reads(session: Session, model: Any, ids: Sequence[Any]) -> None:
    """Record the same of several rows of a model, in one statement."""
    session.flush()
    entry = _entry(act_of(session), "read", model.__tablename__, None)
    ledger.append(session, _READS, {**entry, "row_id": [str(row_id) for row_id in ids]})


def record_listing(session: Session, kind: str) -> None:
    """Record that the actor read through a list of `kind`."""
    ledger.append(session, audit, _entry(act_of(session), "read", kind, None))


def enter(session: Session, model: type[RowT], **values: Any) -> RowT:
    """Store a new row, as it is then, at the end of the transaction, which does not look for it before; return it.

    The columns that the database fills stay unknown.
    """
    row = made(model, values)
    table = model.__table__  # type: ignore[attr-defined]
    ledger.append(session, table, row)
    ledger.append(session, audit, _entry(act_of(session), "created", table.name, str(row.id)))
    return row


def record_denial(runtime: Runtime, act: Act, kind: str, row_id: str | None) -> None:
    """Record a refusal in a transaction of its own, after the refused one is gone."""
    with runtime.engine.begin() as connection:
        connection.execute(insert(audit), _entry(act, "denied", kind, row_id))


def _record(session: OrmSession, outcome: str, row: Any, fields: Sequence[str] = ()) -> None:
    entry = _entry(session.info["act"], outcome, row.__tablename__, str(row.id), fields)
    ledger.append(session, audit, entry)


def _entry(act: Act, outcome: str, kind: str, row_id: str | None, fields: Sequence[str] = ()) -> dict[str, Any]:
    return {
        "actor": act.actor,
        "roles": list(act.roles),
        "operation": act.operation,
        "outcome": outcome,
        "kind": kind,
        "row_id": row_id,
        "fields": list(fields),
        "reason": act.reason,
        "address": act.address,
        "correlation_id": act.correlation_id,
    }


def _changed_fields(row: Any) -> list[str]:
    state: InstanceState[Any] = inspect(row)
    changed = (attr.key for attr in state.attrs if attr.key not in UNTOLD and attr.history.has_changes())
    return sorted(changed)


@event.listens_for(OrmSession, "after_flush")
def _record_changes(session: OrmSession, _context: UOWTransaction) -> None:
    """Record each row this flush stored: no route and no handler can forget it."""
    if "act" not in session.info:
        return
    for row in session.new:
        _record(session, "created", row)
    for row in session.deleted:
        _record(session, "deleted", row)
    for row in session.dirty:
        if fields := _changed_fields(row):
            _record(session, "changed", row, fields)
