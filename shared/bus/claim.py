"""The right to drain one service's mailbox: an advisory lock on a session of its own; a lost session is a lost right."""

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

SINGLE_LOCK = 0x656D626564
"""Held for as long as the process lives: a second process would drain the same mailbox beside it."""


class Claim:
    """One process's claim to one mailbox; asked before each event, it never outlives the session that holds the lock.

    Of the event in hand when the session is lost, the inbox alone sees to it that it has its effect once.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._session: Connection | None = None

    def holds(self) -> bool:
        """Say whether the right is ours, taking it where nobody has it; raise `SQLAlchemyError` while the database is away."""
        if self._session is not None and _lives(self._session):
            return True
        self.release()
        self._session = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        asked = text("SELECT pg_try_advisory_lock(:lock)")
        if self._session.execute(asked, {"lock": SINGLE_LOCK}).scalar_one():
            return True
        self.release()
        return False

    def release(self) -> None:
        """Let the right go, and the session with it."""
        if self._session is not None:
            self._session.invalidate()
            self._session.close()
            self._session = None


def _lives(session: Connection) -> bool:
    try:
        session.execute(text("SELECT 1"))
    except DBAPIError:
        return False
    return True
