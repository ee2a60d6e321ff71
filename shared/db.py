"""The way to PostgreSQL: engines with bounded waits, and the plain connection string of a SQLAlchemy address."""

from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import make_url

POOL_SIZE = 16
"""Also the number of request threads: more would only wait for a connection."""
OPTIONS = "-c timezone=UTC -c lock_timeout=5s -c statement_timeout=15s -c idle_in_transaction_session_timeout=60s"


def make_engine(url: str, *, pool_size: int = POOL_SIZE) -> Engine:
    """Return an engine whose errors never show parameters, and whose connections are checked when taken."""
    return create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={"options": OPTIONS, "connect_timeout": 5},
    )


def conninfo(url: str) -> str:
    """Return the libpq form of a SQLAlchemy address, for sessions that bypass the pool (relay, notifications)."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
