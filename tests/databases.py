"""Databases that tests hand on: emptying the few tables that a test touched takes a tenth of what copying all takes."""

from weakref import WeakKeyDictionary

from psycopg import Connection, OperationalError
from psycopg.sql import SQL, Identifier

from deploy.postgres import Server

_OTHERS = (
    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
)
_TOUCHED = (
    "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    " AND relname <> 'alembic_version' AND pg_relation_size(oid) > 0"
)
_spare: WeakKeyDictionary[Server, dict[str, list[str]]] = WeakKeyDictionary()


def take(server: Server, service: str, name: str) -> str:
    """Return the name of a migrated database in which nothing ever happened: a spare one, or a new one called `name`."""
    spare = _spare.get(server, {}).get(service)
    if spare:
        return spare.pop()
    server.clone(service, name)
    return name


def hand_on(server: Server, service: str, name: str) -> None:
    """Empty a database for the next test; drop one that cannot be reached."""
    try:
        with server.connect(name) as connection:
            empty(connection)
    except OperationalError:
        server.drop(name)
    else:
        _spare.setdefault(server, {}).setdefault(service, []).append(name)


def empty(connection: Connection) -> None:
    """Send away whoever is left in a database, and let nothing have happened: no rows, no dead ones, numbers from 1."""
    connection.execute(_OTHERS)
    touched = [Identifier(name) for (name,) in connection.execute(_TOUCHED).fetchall()]
    connection.execute("SET session_replication_role = replica")  # All go: no foreign key need be asked.
    connection.execute(SQL("; ").join(SQL("DELETE FROM {}").format(table) for table in touched))
    connection.execute("SELECT setval(seqrelid, 1, false) FROM pg_sequence")
    if touched:
        connection.execute(SQL("VACUUM {}").format(SQL(", ").join(touched)))
