"""Turns: two transactions about the same thing that has no row to lock yet go one after the other."""

import hashlib

from sqlalchemy import func, select
from sqlmodel import Session


def take_turn(session: Session, *about: str) -> None:
    """Wait until no other transaction is about the same thing; ends with the transaction (5 s, then 503)."""
    digest = hashlib.sha256("\x00".join(about).encode()).digest()
    session.connection().execute(select(func.pg_advisory_xact_lock(int.from_bytes(digest[:8], signed=True))))
