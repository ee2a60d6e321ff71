"""The two ways to reach a row: `one` to read it, `locked` to change it; both begin at a `visible_*` select of the service."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Protocol, TypeVar
from uuid import UUID

from sqlmodel import Session
from sqlmodel.sql.expression import SelectOfScalar

from shared.clock import now
from shared.errors import NotFound, StaleVersion
from shared.runtime import act_of


class Row(Protocol):
    """Any stored row of a service."""

    id: UUID


class VersionedRow(Row, Protocol):
    """A row with an ETag."""

    version: int
    updated_at: Any


RowT = TypeVar("RowT", bound=Row)
VersionedT = TypeVar("VersionedT", bound=VersionedRow)
CallerT = TypeVar("CallerT")
SelectT = TypeVar("SelectT")
SELECTS_KEPT = 256
"""Of each function, for the callers who came last."""


def kept(visible: Callable[[CallerT], SelectT]) -> Callable[[CallerT], SelectT]:
    """Let a function that says which rows exist for a caller return the same select each time it is asked about him.

    So it is put together once, and what is done to it can be kept too. It must depend on the caller alone: where it also
    depends on a row, or on today's date, it is no function to be kept.
    """
    return lru_cache(SELECTS_KEPT)(visible)


def one(session: Session, select: SelectOfScalar[RowT]) -> RowT:
    """Return the row, or raise `NotFound`: what is invisible does not exist."""
    row = session.exec(select).one_or_none()
    if row is None:
        raise NotFound
    return answers_with(session, row)


def locked(session: Session, select: SelectOfScalar[VersionedT]) -> VersionedT:
    """Lock the row for a change and move its version on; the first one locked is what `If-Match` speaks of.

    Raises `NotFound`, or `StaleVersion` when `If-Match` was sent and names another version.
    """
    entity = select.column_descriptions[0]["entity"]
    # FOR NO KEY UPDATE: we never change a key, and rows that point here need not wait to be inserted.
    statement = select.with_for_update(of=entity, key_share=True).execution_options(populate_existing=True)
    row = session.exec(statement).one_or_none()
    if row is None:
        raise NotFound
    if "locked" not in session.info:
        session.info["locked"] = session.info["row"] = row
        if not _matches(act_of(session).if_match, row):
            raise StaleVersion
    row.version += 1
    row.updated_at = now()
    return row


def store(session: Session, row: RowT) -> RowT:
    """Store a new row, so that its database-made columns are known, and let the answer be about it."""
    session.add(row)
    session.flush()
    return answers_with(session, row)


def answers_with(session: Session, row: RowT) -> RowT:
    """Note the first row a request touches: the answer's ETag is its version, and a replay must still see it."""
    session.info.setdefault("row", row)
    return row


def etag(row: Any) -> str | None:
    """Return the strong validator of a versioned row (RFC 9110, section 8.8.3), else None."""
    version = getattr(row, "version", None)
    return f'"{version}"' if version is not None else None


def _matches(if_match: str | None, row: VersionedRow) -> bool:
    if if_match is None or if_match.strip() == "*":
        return True
    return str(etag(row)) in (tag.strip() for tag in if_match.split(","))
