"""People who are found by name or number: their tokens and blind indexes, made anew under the current search key."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from cryptography.exceptions import InvalidTag
from sqlalchemy import delete, func, or_, select, update
from sqlmodel import Session, col
from sqlmodel import select as select_rows

from shared.keys.dependents import TRIALS, Kind, fits
from shared.names import search_terms
from shared.people import index_name, open_sealed, unlock
from shared.person import StoredPerson, blind_of
from shared.runtime import runtime_of
from shared.tables import name_token, person_key


@dataclass(frozen=True, slots=True)
class IndexedPeople:
    """A table whose rows are people: `id`, `seq`, sealed `details` and `number_blind`; `scope` is where a name is looked for."""

    kind: ClassVar[Kind] = Kind.SEARCH
    what: str
    model: Any
    field: str
    """Of `details`, as it was sealed: `table.column`."""
    scope: Callable[[Any], str]

    def counts(self, session: Session) -> dict[str, int]:
        """Count living people by the key they were indexed under."""
        key_id = func.coalesce(person_key.c.search_key, "")
        living = select(key_id, func.count()).where(person_key.c.wrapped.is_not(None)).group_by(key_id)
        return {row[0]: row[1] for row in session.connection().execute(living)}

    def due(self, session: Session, after: UUID | None, limit: int) -> Sequence[UUID]:
        """Return people indexed under another key, whether we still hold it or not."""
        person = person_key.c.person_id
        rows = select(person).where(*self._stale(session), *(() if after is None else (person > after,)))
        return session.connection().execute(rows.order_by(person).limit(limit)).scalars().all()

    def move(self, session: Session, ids: Sequence[UUID]) -> None:
        """Write tokens and blind indexes anew; the person's row is locked first, as an erasure locks it."""
        held = select_rows(self.model).where(col(self.model.id).in_(ids)).order_by(self.model.id)
        rows = session.exec(held.with_for_update(key_share=True).execution_options(populate_existing=True)).all()
        stale = select(person_key.c.person_id).where(person_key.c.person_id.in_(ids), *self._stale(session))
        living = set(session.connection().execute(stale.with_for_update()).scalars())
        unlock(session, living)
        session.connection().execute(delete(name_token).where(name_token.c.id.in_(living)))
        for row in rows:
            if row.id in living:
                self._index(session, row)
        marked = update(person_key).where(person_key.c.person_id.in_(living))
        session.connection().execute(marked.values(search_key=runtime_of(session).vault.current_search))

    def opens(self, session: Session, key_id: str) -> bool:
        """Make the blind index or the tokens of some people under that key, and compare them with the stored ones."""
        rows = select_rows(self.model).join(person_key, person_key.c.person_id == self.model.id)
        known = or_(col(self.model.number_blind).is_not(None), self.model.id.in_(select(name_token.c.id)))
        tried = session.exec(rows.where(person_key.c.search_key == key_id, known).limit(TRIALS)).all()
        return fits(self._is_found(session, row, key_id) for row in tried)

    def _is_found(self, session: Session, row: Any, key_id: str) -> bool | None:
        vault = runtime_of(session).vault
        try:
            details = self._details(session, row)
        except (InvalidTag, LookupError):
            return None
        if details is None:
            return None
        if details.document is not None and details.document_number is not None:
            number = blind_of(vault, details.document, details.document_number, key_id)
            return bool(row.number_blind == number)
        stored = session.connection().execute(select(name_token.c.token).where(name_token.c.id == row.id)).scalars()
        return {vault.token(term, key_id) for term in search_terms(details.name or "")} == set(stored)

    def _index(self, session: Session, row: Any) -> None:
        details = self._details(session, row)
        if details is None:
            return
        if details.name is not None:
            index_name(session, self.scope(row), self.model, row.id, details.name)
        if details.document is not None and details.document_number is not None:
            row.number_blind = blind_of(runtime_of(session).vault, details.document, details.document_number)

    def _details(self, session: Session, row: Any) -> StoredPerson | None:
        text = open_sealed(session, row.id, self.field, row.details)
        return StoredPerson.model_validate_json(text) if text is not None else None

    @staticmethod
    def _stale(session: Session) -> tuple[Any, ...]:
        current = runtime_of(session).vault.current_search
        return person_key.c.wrapped.is_not(None), person_key.c.search_key.is_distinct_from(current)
