"""The way to PostgreSQL: engines with bounded waits, plain connection strings, and which errors say that it is away."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import psycopg
from pydantic_core import from_json
from sqlalchemy import ClauseElement, Dialect, Engine, create_engine, event
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from shared.driver import Connection as Driver

DIALECT: Dialect = PGDialect_psycopg()  # type: ignore[no-untyped-call]
POOL_SIZE = 16
"""Twice the request threads (`shared/runtime.py`), so that who needs one for a moment need not wait for a request to end."""
OPTIONS = "-c timezone=UTC -c lock_timeout=5s -c statement_timeout=15s -c idle_in_transaction_session_timeout=60s"

BY_NAME = {"_result_disable_adapt_to_context": True}
"""Rows are read by name and by place, never by the column of a select: so SQLAlchemy need not tell, for each answer, which
columns of this select are those of the like one whose text it kept. The name is its own; without it, all is as right and slower."""

VANISHED = {"keepalives_idle": "10", "keepalives_interval": "5", "keepalives_count": "2", "tcp_user_timeout": "20000"}
"""How soon (seconds; the last in ms) a server that the network lost without a word is given up: TCP alone waits 15 minutes."""
AWAY = ("08", "25006", "53", "57P", "58", "F0")
"""SQLSTATEs (PostgreSQL, appendix A) of a server that is out of reach, read-only, out of disk or memory, or restarting."""
BUSY = ("25P03", "25P04", "40", "55P03", "57014")
"""SQLSTATEs of a transaction that was in the way of others, or took too long: alone, or later, it may succeed."""


def make_engine(url: str, *, pool_size: int = POOL_SIZE) -> Engine:
    """Return an engine whose errors never show parameters, and whose connections are checked when taken."""
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        hide_parameters=True,
        use_native_hstore=False,
        json_deserializer=from_json,
        execution_options=BY_NAME,
        connect_args={"options": OPTIONS, "connect_timeout": 5, **VANISHED},
    )
    event.listen(engine, "do_connect", _connect)
    event.listen(engine, "checkout", _refuse_ended)
    return engine


def _connect(_dialect: Any, _record: Any, arguments: Any, parameters: Any) -> Driver:
    return Driver.open(*arguments, **parameters)


def _refuse_ended(connection: Any, _record: Any, _proxy: Any) -> None:
    """Let the pool replace a connection that the server has ended; to see it takes no journey."""
    if not connection.is_silent():
        raise DisconnectionError


@contextmanager
def at_once(session: Session) -> Iterator[Driver]:
    """Lend the driver's connection of a transaction: what is executed on it goes to the server in one journey.

    Its answers are there when the block ends; errors are raised as SQLAlchemy raises them.
    """
    connection = session.connection()
    driver = cast("Driver", connection.connection.driver_connection)
    try:
        with driver.together():
            yield driver
    except psycopg.Error as error:
        if driver.closed:
            connection.invalidate(error)
        raise DBAPIError.instance(
            None, None, error, psycopg.Error, hide_parameters=True, connection_invalidated=driver.closed
        ) from error


def spelled(statement: ClauseElement) -> str:
    """Return a statement as the driver takes it, its parameters by name: for `at_once`."""
    return str(statement.compile(dialect=DIALECT))


def conninfo(url: str) -> str:
    """Return the libpq form of a SQLAlchemy address, for sessions that bypass the pool (relay, notifications)."""
    plain = make_url(url).set(drivername="postgresql").update_query_dict(VANISHED)
    return plain.render_as_string(hide_password=False)


def is_away(error: BaseException) -> bool:
    """Whether the database was out of reach or could store nothing just now, whatever was asked of it."""
    if not isinstance(error, DBAPIError):
        return isinstance(error, PoolTimeout)
    state = _sqlstate(error)
    if state is None:
        return isinstance(error, (OperationalError, InterfaceError)) or error.connection_invalidated
    return state.startswith(AWAY)


def is_busy(error: BaseException) -> bool:
    """Whether the database gave up a transaction that waited or worked too long, or that others stood against."""
    return isinstance(error, DBAPIError) and (_sqlstate(error) or "").startswith(BUSY)


def _sqlstate(error: DBAPIError) -> str | None:
    cause: Any = error.orig
    state: str | None = getattr(cause, "sqlstate", None)
    return state
