"""Which audit rows no seal covers yet: found by anti-join, never by a cursor, for ids commit out of their order.

Every anti-join walks two indexes between the same bounds, so that its cost does not grow with the chain.
"""

from typing import Any

from sqlalchemy import Connection, Select, exists, func, select, text

from shared.chain import ROW
from shared.tables import audit, audit_seal

LATE_SECONDS = 20
"""Nearly every row commits within these of taking its id (a statement may run for 15 s); later ones are swept up."""
COUNTED = 10_000
"""How many unsealed rows are counted; more are not told apart."""
LAST = 2**63 - 1
OTHER_PLANS = ("enable_sort", "enable_hashjoin", "enable_bitmapscan", "enable_seqscan")


def walk_indexes(connection: Connection) -> None:
    """Until the transaction ends, walk indexes in their order: statistics lag behind, and then all is sorted each time."""
    connection.execute(select(*(func.set_config(name, "off", True) for name in OTHER_PLANS)))


def unsealed(after: int, upto: int = LAST) -> Select[Any]:
    """Select the unsealed rows, in the form that is sealed, with ids in `(after, upto]`, oldest first."""
    sealed = exists().where(
        audit_seal.c.audit_id == audit.c.id, audit_seal.c.audit_id > after, audit_seal.c.audit_id <= upto
    )
    return select(*ROW).where(audit.c.id > after, audit.c.id <= upto, ~sealed).order_by(audit.c.id)


def newest_sealed(connection: Connection) -> int:
    """Return the highest id that has a seal, 0 if none has."""
    newest = select(func.coalesce(func.max(audit_seal.c.audit_id), 0))
    return int(connection.execute(newest).scalar_one())


def recent_after(connection: Connection) -> int:
    """Return the id before those of the last `LATE_SECONDS`, 0 if there are no others."""
    old = audit.c.at < func.now() - text(f"interval '{LATE_SECONDS} seconds'")
    newest = select(audit.c.id).where(old).order_by(audit.c.id.desc()).limit(1)
    return connection.execute(newest).scalar_one_or_none() or 0


def stretch_after(connection: Connection, after: int, rows: int) -> int:
    """Return the id that so many rows beyond `after` has; the last one's if there are fewer, `after` if none."""
    ids = select(audit.c.id).where(audit.c.id > after).order_by(audit.c.id).limit(rows).subquery()
    return int(connection.execute(select(func.coalesce(func.max(ids.c.id), after))).scalar_one())


def backlog(connection: Connection) -> tuple[int, float]:
    """Return how many of the newest rows wait for their seals, up to `COUNTED`, and the age of the oldest in seconds."""
    walk_indexes(connection)
    after = min(newest_sealed(connection), recent_after(connection))
    waiting = unsealed(after).add_columns(audit.c.at).limit(COUNTED).subquery()
    age = func.extract("epoch", func.now() - func.min(waiting.c.at))
    count, oldest = connection.execute(select(func.count(), age).select_from(waiting)).one()
    return int(count), float(oldest or 0)
