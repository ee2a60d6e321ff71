"""Is every key here that something needs, and is it the right one: what `make keys-check` tells, and a worker watches."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlmodel import Session

from shared.crypto import Vault
from shared.keys.dependents import Dependent, Kind
from shared.runtime import runtime_of
from shared.tables import key_seen

UNKNOWN = ""
"""The id of the key of rows that are older than key ids: they are brought under the current key."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One key of one service: where it stands in its ring, what depends on it, and whether it is the right one."""

    kind: Kind
    key_id: str
    place: int | None
    """0 for the current key; None for a key that is not held."""
    needed_by: Mapping[str, int]
    right: bool

    @property
    def missing(self) -> bool:
        """Whether something stored cannot be opened or found: the key is needed and absent, or another under its id."""
        absent = self.place is None and self.key_id != UNKNOWN
        return not self.right or (absent and any(self.needed_by.values()))

    @property
    def spare(self) -> bool:
        """Whether the key may be removed: it is an older one, and nothing needs it any more."""
        return self.right and self.place not in {None, 0} and not any(self.needed_by.values())


def check(session: Session, dependents: Iterable[Dependent]) -> list[Finding]:
    """Look at every key that is held or needed; keys held for the first time, and proven right, are noted."""
    found = []
    for kind in Kind:
        counted = {each: each.counts(session) for each in dependents if each.kind is kind}
        ids = dict.fromkeys(runtime_of(session).vault.ring(kind))
        ids |= dict.fromkeys(key_id for counts in counted.values() for key_id in sorted(counts))
        found += [_finding(session, kind, key_id, counted) for key_id in ids]
    return found


def _finding(session: Session, kind: Kind, key_id: str, counted: Mapping[Dependent, dict[str, int]]) -> Finding:
    ring = list(runtime_of(session).vault.ring(kind))
    place = ring.index(key_id) if key_id in ring else None
    # A row older than key ids may hang on any older key: until it is moved, it keeps them all.
    also = UNKNOWN if place else key_id
    needs = {
        each.what: counts.get(key_id, 0) + counts.get(also, 0) * (also != key_id) for each, counts in counted.items()
    }
    needed_by = {what: count for what, count in needs.items() if count}
    return Finding(kind, key_id, place, needed_by, place is None or _is_right(session, kind, key_id, counted))


def _is_right(session: Session, kind: Kind, key_id: str, dependents: Iterable[Dependent]) -> bool:
    """Compare with what was noted when the key was first held; a key nobody noted must open what is stored."""
    noted = select(key_seen.c.check_value).where(key_seen.c.kind == kind, key_seen.c.key_id == key_id)
    value = session.connection().execute(noted).scalar_one_or_none()
    vault = runtime_of(session).vault
    if value is not None and value != vault.check_value(kind, key_id):
        return False
    if not all(each.opens(session, key_id) for each in dependents):
        return False
    if value is None:
        _note(session, vault, kind, key_id)
    return True


def _note(session: Session, vault: Vault, kind: Kind, key_id: str) -> None:
    seen = {"kind": kind, "key_id": key_id, "check_value": vault.check_value(kind, key_id)}
    session.connection().execute(upsert(key_seen).values(**seen).on_conflict_do_nothing())
