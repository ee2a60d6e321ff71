"""A person's sealed details: seal, open, find by name, erase; all inside the caller's transaction."""

import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, TypeVar
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Insert,
    Select,
    String,
    Uuid,
    and_,
    bindparam,
    delete,
    exists,
    func,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlmodel import Session

from shared import ledger
from shared.clock import now
from shared.crypto import NONCE_BYTES, missing
from shared.db import at_once
from shared.errors import PersonErased
from shared.names import query_terms, search_terms
from shared.runtime import runtime_of
from shared.tables import name_token, person_key

DATA_KEY_BYTES = 32
DATA_KEY = "person-key"
"""What a wrapped data key is sealed for."""
DATA_KEYS = "SELECT person_id, wrapped FROM person_key WHERE person_id = ANY(%(people)s)"
SelectT = TypeVar("SelectT", bound=Select[Any])


def admit(session: Session, person_id: UUID) -> None:
    """Make the data key of someone whom this transaction makes: nobody else can have made it first."""
    key, row = _made(session, person_id)
    _cache(session)[person_id] = key
    ledger.append(session, person_key, row)


def seal(session: Session, person_id: UUID, field: str, text: str | None) -> bytes | None:
    """Seal one value of `field` (`table.column`) under the person's data key; None stays None."""
    if text is None:
        return None
    key = _data_keys(session, [person_id]).get(person_id) or _new_data_key(session, person_id)
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, text.encode(), _bound_to(session, person_id, field))


def open_sealed(session: Session, person_id: UUID, field: str, blob: bytes | None) -> str | None:
    """Open one value; None if nothing was sealed or the person was erased; an altered or moved value raises `InvalidTag`."""
    key = _data_keys(session, [person_id]).get(person_id) if blob else None
    if blob is None or key is None:
        return None
    return AESGCM(key).decrypt(blob[:NONCE_BYTES], blob[NONCE_BYTES:], _bound_to(session, person_id, field)).decode()


def unlock(session: Session, people: Iterable[UUID]) -> None:
    """Load the data keys of a list of people in one query, before their values are opened one by one."""
    _data_keys(session, people)


def key_of(person_id: Any) -> Any:
    """Return the column that brings, with a person's row, what `unlock_one` takes: her wrapped data key."""
    return select(person_key.c.wrapped).where(person_key.c.person_id == person_id).scalar_subquery()


def unlock_one(session: Session, person_id: UUID, wrapped: bytes | None) -> None:
    """Take the data key that came with a person's row; without one it is looked up when something is to be opened."""
    if wrapped is not None:
        _cache(session)[person_id] = runtime_of(session).vault.decrypt(DATA_KEY, wrapped, person_id.bytes)


def index_name(session: Session, scope: str, people: Any, person_id: UUID, name: str) -> None:
    """Store the keyed tokens by which `with_name` finds this person, a row of the model `people`, within `scope`."""
    vault = runtime_of(session).vault
    tokens = [vault.token(term) for term in search_terms(name)]
    ledger.append(session, _storing_tokens(people), {"within": scope, "tokens": tokens, "person": person_id})


@cache
def _storing_tokens(people: Any) -> Insert:
    """Return what stores tokens in the place of the person's row, which may be as new as they are."""
    row = people.__table__
    tokens = func.unnest(bindparam("tokens", type_=ARRAY(BigInteger)))
    place = select(bindparam("within", type_=String), tokens, row.c.seq, row.c.id)
    stored = upsert(name_token).from_select(
        ["scope", "token", "seq", "id"], place.where(row.c.id == bindparam("person", type_=Uuid))
    )
    return stored.on_conflict_do_nothing()


def with_name(
    session: Session, people: SelectT, scopes: Iterable[str], seq: Any, text: str, *, before: Any = None
) -> tuple[SelectT, dict[str, Any]]:
    """Narrow a select of people to those whose name holds every word of `text`, in any order, with or without diacritics.

    Return it with the values to execute it with. `seq` is the column that gives the list its order; tokens lie in that
    order too. The planner walks the tokens of the rarest word, newest first and from `before` on (`PageRequest.before`),
    and looks the others up: a page costs the same at any depth.
    """
    vault = runtime_of(session).vault
    alone = len(vault.search_keys) == 1
    words = {f"word_{n}": vault.tokens(term) for n, term in enumerate(query_terms(text))}
    narrowed: Any = _holding(people, tuple(scopes), seq, before, tuple(words), alone=alone)
    return narrowed, {name: tokens[0] for name, tokens in words.items()} if alone else dict(words)


@lru_cache(256)
def _holding(
    people: Any, scopes: tuple[str, ...], seq: Any, before: Any, words: tuple[str, ...], *, alone: bool
) -> Any:
    """Narrow a select to people who have a token of each of the words, whose names are parameters."""
    for word in words:
        table = name_token.alias()
        begins = true() if before is None else table.c.seq < before
        found = and_(table.c.scope.in_(scopes), table.c.seq == seq, begins)
        if alone:
            # Written out, so that the plan fits this token: a common syllable has thousands of times the rows of a rare one.
            token: Any = bindparam(word, type_=BigInteger, literal_execute=True)
            people = people.join(table, and_(found, table.c.token == token))
        else:
            tokens: Any = bindparam(word, type_=BigInteger, expanding=True)
            people = people.where(exists(select(1).where(found, table.c.token.in_(tokens))))
    return people


def people_in_hand(session: Session) -> list[UUID]:
    """Return the people whose details this transaction sealed or opened, the erased left out."""
    return sorted(person for person, key in _cache(session).items() if key is not None)


def seal_for(session: Session, people: Sequence[UUID], blob: bytes, bound_to: bytes) -> bytes:
    """Seal bytes about several people, one layer for each: without any one of their keys it stays shut."""
    keys = _data_keys(session, people)
    for person in people:
        nonce = secrets.token_bytes(NONCE_BYTES)
        blob = nonce + AESGCM(keys[person] or b"").encrypt(nonce, blob, bound_to + person.bytes)
    return blob


def open_for(session: Session, people: Sequence[UUID], blob: bytes, bound_to: bytes) -> bytes:
    """Open what `seal_for` sealed for the same people; raise `PersonErased` if one of them was erased."""
    keys = _data_keys(session, people)
    for person in reversed(people):
        key = keys.get(person)
        if key is None:
            raise PersonErased
        blob = AESGCM(key).decrypt(blob[:NONCE_BYTES], blob[NONCE_BYTES:], bound_to + person.bytes)
    return blob


def erase(session: Session, person_id: UUID, at: datetime | None = None) -> None:
    """Destroy what opens a person's details: data key and name tokens; the caller clears its blind indexes.

    `at` is when it first happened, for an erasure that is applied again.
    """
    connection = session.connection()
    tombstone = {"wrapped": None, "erased_at": at or now()}
    stored = upsert(person_key).values(person_id=person_id, **tombstone)
    connection.execute(stored.on_conflict_do_update(index_elements=["person_id"], set_=tombstone))
    connection.execute(delete(name_token).where(name_token.c.id == person_id))
    _cache(session)[person_id] = None


def _cache(session: Session) -> dict[UUID, bytes | None]:
    cache: dict[UUID, bytes | None] = session.info.setdefault("data_keys", {})
    return cache


def _data_keys(session: Session, people: Iterable[UUID]) -> dict[UUID, bytes | None]:
    """Return the data keys of these people, None for the erased; those without a row are absent."""
    cache = _cache(session)
    wanted = missing(people, cache)
    if wanted:
        vault = runtime_of(session).vault
        with at_once(session) as driver:
            rows = driver.execute(DATA_KEYS, {"people": list(wanted)})
        for person, wrapped in rows:
            cache[person] = vault.decrypt(DATA_KEY, wrapped, person.bytes) if wrapped else None
    return cache


def _new_data_key(session: Session, person_id: UUID) -> bytes:
    """Make the person's data key, or take the one that another transaction made first."""
    key, row = _made(session, person_id)
    made = upsert(person_key).values(**row).on_conflict_do_nothing()
    if session.connection().execute(made.returning(person_key.c.person_id)).first() is not None:
        _cache(session)[person_id] = key
        return key
    stored = _data_keys(session, [person_id])[person_id]
    if stored is None:
        raise PersonErased
    return stored


def _made(session: Session, person_id: UUID) -> tuple[bytes, dict[str, Any]]:
    """Draw a data key; return it and the row that keeps it, wrapped."""
    key = secrets.token_bytes(DATA_KEY_BYTES)
    vault = runtime_of(session).vault
    wrapped = vault.encrypt(DATA_KEY, key, person_id.bytes)
    # Who gets a key is indexed in the same transaction: the row knows the search key from the start.
    return key, {"person_id": person_id, "wrapped": wrapped, "search_key": vault.current_search}


def _bound_to(session: Session, person_id: UUID, field: str) -> bytes:
    """Associated data: a value copied to another person, field or service does not open."""
    return f"{runtime_of(session).service}/{field}/{person_id}".encode()
