"""Turns: two transactions about the same thing that has no row to lock yet go one after the other."""

import hashlib
from collections.abc import Iterable

from sqlalchemy import BigInteger, Connection, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Session

TURN = select(func.pg_advisory_xact_lock(bindparam("about", type_=BigInteger)))
TURNS = select(func.pg_advisory_xact_lock(func.unnest(bindparam("about", type_=ARRAY(BigInteger)))))
"""Made once: turns are taken in every transaction."""


def take_turn(session: Session, *about: str) -> None:
    """Wait until no other transaction is about the same thing; ends with the transaction (5 s, then 503)."""
    session.connection().execute(TURN, {"about": turn(*about)})


def take_turns(connection: Connection, things: Iterable[tuple[str, ...]]) -> None:
    """Take a turn about each of several things; all do so in one order, so that none of them wait for each other."""
    numbers = sorted({turn(*about) for about in things})
    connection.execute(TURNS, {"about": numbers})


def turn(*about: str) -> int:
    """Return the number of the advisory lock about a thing."""
    digest = hashlib.sha256("\x00".join(about).encode()).digest()
    return int.from_bytes(digest[:8], signed=True)
