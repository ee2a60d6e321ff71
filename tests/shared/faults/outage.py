"""A database that is away: nobody is let in, and who was there is sent away."""

import contextlib
from collections.abc import Iterator

from psycopg.sql import SQL, Identifier, Literal

from deploy.postgres import Server
from shared.runtime import Runtime


@contextlib.contextmanager
def shut(server: Server, runtime: Runtime) -> Iterator[None]:
    """Keep a service from its database until the end of the block."""
    name = str(runtime.engine.url.database)
    change = SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS {}")
    with server.connect() as connection:
        connection.execute(change.format(Identifier(name), Literal(False)))
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        try:
            yield
        finally:
            connection.execute(change.format(Identifier(name), Literal(True)))
