"""What depends on a key: each kind of stored thing can be counted by key id, tried, and brought under the current key."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Protocol
from uuid import UUID

from cryptography.exceptions import InvalidTag
from sqlalchemy import ColumnElement, FromClause, LargeBinary, Text, cast, func, literal, select, update
from sqlmodel import Session

from shared.clock import now
from shared.idempotency import KEPT
from shared.people import DATA_KEY
from shared.runtime import runtime_of
from shared.tables import idempotency, person_key

TRIALS = 5
"""Rows that a key is tried on."""


class Kind(StrEnum):
    """The rings of keys that a service holds."""

    SERVICE = "service"
    SEARCH = "search"
    LINK = "link"


class Dependent(Protocol):
    """One kind of stored thing that needs a key; it is moved in small transactions, and moving it again is harmless."""

    kind: ClassVar[Kind]

    @property
    def what(self) -> str:
        """What it is, in words for an operator."""

    def counts(self, session: Session) -> dict[str, int]:
        """Count the rows that nothing but this key opens or finds, by key id; an id nobody knows is the empty text."""

    def due(self, session: Session, after: UUID | None, limit: int) -> Sequence[UUID]:
        """Return the next rows that are not under the current key, in order of their ids."""

    def move(self, session: Session, ids: Sequence[UUID]) -> None:
        """Bring these rows under the current key, if they still need it; the caller commits."""

    def opens(self, session: Session, key_id: str) -> bool:
        """Try some rows of this key with the key we hold under that id; True if one opens, or there is none to try.

        Several, because one row may be damaged while the key is right.
        """


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A column that `Vault.encrypt` sealed under the service key, bound to its row's id."""

    kind: ClassVar[Kind] = Kind.SERVICE
    what: str
    table: FromClause
    row_id: str
    blob: str
    purpose: str

    def counts(self, session: Session) -> dict[str, int]:
        """Read the key ids in front of the sealed values."""
        key_id = self._key_id()
        counted = select(key_id, func.count()).where(self._blob.is_not(None)).group_by(key_id)
        return {row[0]: row[1] for row in session.connection().execute(counted)}

    def due(self, session: Session, after: UUID | None, limit: int) -> Sequence[UUID]:
        """Return rows under another key that we hold."""
        vault = runtime_of(session).vault
        others = [key_id for key_id in vault.service_keys if key_id != vault.current]
        if not others:
            return []
        rows = select(self._id).where(self._blob.is_not(None), self._key_id().in_(others), *_beyond(self._id, after))
        return session.connection().execute(rows.order_by(self._id).limit(limit)).scalars().all()

    def move(self, session: Session, ids: Sequence[UUID]) -> None:
        """Seal anew; what was erased or moved meanwhile stays as it is."""
        vault = runtime_of(session).vault
        rows = select(self._id, self._blob).where(self._id.in_(ids), self._blob.is_not(None)).order_by(self._id)
        for row_id, blob in session.connection().execute(rows.with_for_update()).all():
            if vault.key_id_of(blob) != vault.current:
                opened = vault.decrypt(self.purpose, blob, row_id.bytes)
                sealed = vault.encrypt(self.purpose, opened, row_id.bytes)
                changed = update(self.table).where(self._id == row_id)  # type: ignore[arg-type]
                session.connection().execute(changed.values({self.blob: sealed}))

    def opens(self, session: Session, key_id: str) -> bool:
        """Open some values."""
        rows = select(self._id, self._blob).where(self._blob.is_not(None), self._key_id() == key_id).limit(TRIALS)
        tried = session.connection().execute(rows).all()
        return fits(self._is_opened(session, row_id, blob) for row_id, blob in tried)

    def _is_opened(self, session: Session, row_id: UUID, blob: bytes) -> bool:
        try:
            runtime_of(session).vault.decrypt(self.purpose, blob, row_id.bytes)
        except InvalidTag:
            return False
        return True

    @property
    def _id(self) -> ColumnElement[Any]:
        return self.table.c[self.row_id]

    @property
    def _blob(self) -> ColumnElement[Any]:
        return self.table.c[self.blob]

    def _key_id(self) -> ColumnElement[str]:
        """Return what stands before the first zero byte, as text."""
        end = func.position(literal(b"\x00", LargeBinary).op("IN")(self._blob))
        return cast(func.convert_from(func.substring(self._blob, 1, end - 1), "UTF8"), Text)


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers kept for repeats: nobody seals them anew, they are gone within a day."""

    kind: ClassVar[Kind] = Kind.SERVICE
    what: str = "answers kept for repeats, gone within 24 hours"

    def counts(self, session: Session) -> dict[str, int]:
        """Count those that can still be asked for."""
        key_id = func.coalesce(idempotency.c.key_id, "")
        kept = select(key_id, func.count()).where(idempotency.c.created_at >= now() - KEPT).group_by(key_id)
        return {row[0]: row[1] for row in session.connection().execute(kept)}

    def due(self, _session: Session, _after: UUID | None, _limit: int) -> Sequence[UUID]:
        """Return none."""
        return []

    def move(self, session: Session, ids: Sequence[UUID]) -> None:
        """Leave them to end by themselves."""

    def opens(self, _session: Session, _key_id: str) -> bool:
        """Leave the trial to the data keys: answers are sealed for people as well."""
        return True


def fits(trials: Iterable[bool | None]) -> bool:
    """Judge a key by its trials: one success proves it, failures alone refute it, None tells nothing."""
    seen = set(trials)
    return True in seen or False not in seen


def _beyond(column: ColumnElement[Any], after: UUID | None) -> tuple[ColumnElement[bool], ...]:
    return () if after is None else (column > after,)


KIT: tuple[Dependent, ...] = (
    Wrapped("data keys of people", person_key, "person_id", "wrapped", DATA_KEY),
    Answers(),
)
"""What hangs on the service key in every service."""
