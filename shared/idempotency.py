"""Idempotency keys: one key, one effect; the answer is stored sealed with the act and given again only to who may still have it."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from psycopg.rows import DictRow, dict_row
from sqlalchemy import delete
from sqlmodel import Session, col

from shared import ledger
from shared.clock import now
from shared.db import at_once
from shared.errors import IdempotencyKeyRequired, IdempotencyKeyReused, NotFound, RequestInFlight
from shared.people import open_for, people_in_hand, seal_for
from shared.runtime import act_of, runtime_of
from shared.tables import idempotency

KEY_FORM = re.compile(r"[A-Za-z0-9_-]{1,128}")
KEPT = timedelta(hours=24)
"""How long an answer can be asked for again."""
LOCK = "SELECT pg_try_advisory_xact_lock(key) FROM unnest(%(locks)s::bigint[]) AS key"
STORED = "SELECT * FROM idempotency WHERE key_mac = ANY(%(key_macs)s)"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it was first given."""

    status: int
    headers: dict[str, str]
    body: bytes


class Replay(Exception):
    """Raised instead of acting again: the edge gives this answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("replayed")
        self.answer = answer


def take_key(session: Session, principal: Any, key: str | None, path: str, body: bytes) -> None:
    """Take the key for this transaction, or raise: `Replay` if it was used for the same body, else what stands against it."""
    if key is None or not KEY_FORM.fullmatch(key):
        raise IdempotencyKeyRequired
    vault = runtime_of(session).vault
    act = act_of(session)
    parts = (act.actor.encode(), act.operation.encode(), path.encode(), key.encode())
    # Every service key locks: while keys change, two processes may share but one of theirs, and must meet at its lock.
    key_macs = vault.macs("idempotency-key", *parts)
    stored = _locked(session, key_macs)
    if stored is not None:
        raise Replay(_again(session, principal, stored, body))
    session.info["idempotency"] = (key_macs[0], vault.mac("idempotency-body", body))


def _locked(session: Session, key_macs: list[bytes]) -> DictRow | None:
    """Lock the key, or raise `RequestInFlight`; return what is stored under it.

    Both go to the server together, and it sees the answer of whoever held the lock before.
    """
    locks = [int.from_bytes(mac[:8], signed=True) for mac in key_macs]
    with at_once(session) as driver:
        locked = driver.execute(LOCK, {"locks": locks})
        stored = driver.cursor(row_factory=dict_row).execute(STORED, {"key_macs": key_macs})
    if not all(taken for (taken,) in locked):
        raise RequestInFlight
    return stored.fetchone()


def keep_answer(session: Session, answer: Answer) -> None:
    """Store a 2xx answer under the key that was taken, in the transaction of the act.

    It is sealed for everyone whose details this transaction opened: erasing one of them takes the answer with them.
    """
    key_mac, body_mac = session.info["idempotency"]
    row = session.info.get("row")
    if row is not None and row.__tablename__ not in runtime_of(session).visible:
        message = f"access.VISIBLE lacks {row.__tablename__}: its answers could not be given again"
        raise LookupError(message)
    about = people_in_hand(session)
    vault = runtime_of(session).vault
    sealed = vault.encrypt("answer", answer.body, key_mac)
    kept = {
        "key_mac": key_mac,
        "body_mac": body_mac,
        "status": answer.status,
        "headers": answer.headers,
        "answer": seal_for(session, about, sealed, key_mac),
        "key_id": vault.current,
        "people": about,
        "row_kind": row.__tablename__ if row is not None else None,
        "row_id": row.id if row is not None else None,
    }
    ledger.append(session, idempotency, kept)


def forget_old_keys(session: Session) -> None:
    """Delete answers that can no longer be asked for."""
    session.connection().execute(delete(idempotency).where(idempotency.c.created_at < now() - KEPT))


def _again(session: Session, principal: Any, stored: DictRow, body: bytes) -> Answer:
    if stored["body_mac"] not in runtime_of(session).vault.macs("idempotency-body", body):
        raise IdempotencyKeyReused
    if stored["row_kind"] is not None:
        visible = runtime_of(session).visible[stored["row_kind"]](principal)
        model = visible.column_descriptions[0]["entity"]
        if session.exec(visible.where(col(model.id) == stored["row_id"])).first() is None:
            raise NotFound
    sealed = open_for(session, stored["people"], stored["answer"], stored["key_mac"])
    text = runtime_of(session).vault.decrypt("answer", sealed, stored["key_mac"])
    return Answer(stored["status"], {**stored["headers"], "Idempotent-Replayed": "true"}, text)
