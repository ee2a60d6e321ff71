"""`make restore`: all four databases from a backup, all or none; who was erased since stays erased."""

import os
from collections.abc import Sequence
from contextlib import closing
from importlib import import_module
from pathlib import Path

import psycopg
from psycopg.sql import SQL, Identifier
from pydantic import SecretStr
from sqlalchemy.engine import make_url

from deploy.dumps import DumpError, Part, connect, count_rows, house, read_manifest, run_tool
from deploy.operator import parser
from deploy.postgres import ServerError, roles
from deploy.state import StateError
from deploy.topology import SERVICES
from shared import erasures, migrations
from shared.erasures import Entry, LedgerError, ledger_of
from shared.runtime import Act, Runtime
from shared.settings import SettingsError

NEW, OLD = "_restoring", "_replaced"
OWNERS = {service.name: service.owner_setting for service in SERVICES}


def restore(admin: str, folder: Path, *, replace: bool = False) -> dict[str, int]:
    """Restore into new databases, then let them take the old ones' names; return the erasures applied, by service.

    Until that last step, which is one transaction, nothing of the present house is touched. Raises `DumpError`,
    `LedgerError`.
    """
    parts = read_manifest(folder)
    entries = {part.service: _ledger(part) for part in parts}
    with connect(admin) as connection:
        _refuse_used(connection, admin, parts, replace=replace)
        try:
            for part in parts:
                _load(connection, admin, folder, part)
                _erase_again(admin, part.service, entries[part.service])
            _swap(connection, [part.service for part in parts])
        finally:
            for part in parts:
                roles.drop_database(connection, part.service + NEW)
    return {service: len(erased) for service, erased in entries.items()}


def _ledger(part: Part) -> list[Entry]:
    """Read a service's ledger; one that is shorter or other than when the backup was made would let erased people come back."""
    path = ledger_of(Path(os.environ["LEDGER_DIR"]), part.service)
    entries = erasures.read(path)
    known = [erasures.START, *(entry.chain for entry in entries)]
    if len(entries) < part.ledger_entries or known[part.ledger_entries] != part.ledger_chain:
        message = f"{path} is not the ledger of this house: it lacks erasures that stood in it when the backup was made"
        raise DumpError(message)
    return entries


def _refuse_used(connection: psycopg.Connection, admin: str, parts: Sequence[Part], *, replace: bool) -> None:
    names = [part.service for part in parts]
    query = "SELECT DISTINCT datname FROM pg_stat_activity WHERE datname = ANY(%s)"
    if used := [row[0] for row in connection.execute(query, (names,))]:
        message = f"someone is connected to {', '.join(sorted(used))}: stop the house first"
        raise DumpError(message)
    for name in names:
        if not replace and _holds_something(connection, admin, name):
            message = f"the database {name} is not empty: say --replace to put the backup in its place"
            raise DumpError(message)


def _holds_something(connection: psycopg.Connection, admin: str, name: str) -> bool:
    if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone() is None:
        return False
    with connect(admin, name) as inside:
        return any(count for table, count in count_rows(inside).items() if table != "alembic_version")


def _load(connection: psycopg.Connection, admin: str, folder: Path, part: Part) -> None:
    """Make a new database of the same owner and rights, fill it, count it, and bring it to head."""
    name = part.service + NEW
    roles.drop_database(connection, name)
    owner = Identifier(f"{part.service}_owner")
    connection.execute(SQL("CREATE DATABASE {} TEMPLATE template0 OWNER {}").format(Identifier(name), owner))
    roles.grant_database(connection, part.service, name)
    with connect(admin, name) as inside:
        roles.grant_schema(inside, part.service)
    url = _url(OWNERS[part.service], name)
    run_tool("pg_restore", url, "--no-owner", "--exit-on-error", "--single-transaction", str(folder / part.file))
    with connect(admin, name) as inside:
        if count_rows(inside) != part.rows:
            message = f"{part.service} does not hold as many rows as were counted: nothing was replaced"
            raise DumpError(message)
    migrations.upgrade(part.service, url)


def _erase_again(admin: str, service: str, entries: Sequence[Entry]) -> None:
    """Apply the ledger, and leave no trace of it in the files: an erased key would still lie in a dead row."""
    if not entries:
        return
    with closing(_runtime(service)) as runtime:
        for entry in entries:
            with runtime.session(Act("system:restore", "erase_again", "restore")) as session:
                import_module(f"services.{service}.keys").erase_again(session, entry.person_id, entry.erased_at)
                session.commit()
    with connect(admin, service + NEW) as inside:
        inside.execute("VACUUM FULL")


def _runtime(service: str) -> Runtime:
    """Open a service on the database that is being restored."""
    settings = import_module(f"services.{service}.settings").Settings(
        database_url=SecretStr(_url(f"{service.upper()}_DATABASE_URL", service + NEW))
    )
    runtime: Runtime = import_module(f"services.{service}.runtime").runtime(settings)
    return runtime


def _swap(connection: psycopg.Connection, services: Sequence[str]) -> None:
    """Rename all in one transaction: either every database is the restored one, or none."""
    there = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
    for service in services:
        roles.drop_database(connection, service + OLD)
    with connection.transaction():
        for service in services:
            if service in there:
                _rename(connection, service, service + OLD)
            _rename(connection, service + NEW, service)
    for service in services:
        roles.drop_database(connection, service + OLD)


def _rename(connection: psycopg.Connection, name: str, to: str) -> None:
    connection.execute(SQL("ALTER DATABASE {} RENAME TO {}").format(Identifier(name), Identifier(to)))


def _url(setting: str, database: str) -> str:
    if setting not in os.environ:
        message = f"missing in the environment: {setting}"
        raise DumpError(message)
    return make_url(os.environ[setting]).set(database=database).render_as_string(hide_password=False)


def main() -> None:
    """Restore, and say what was applied."""
    command = parser(__doc__)
    command.add_argument("folder", type=Path, help="a folder that `make backup` wrote")
    command.add_argument("--replace", action="store_true", help="put the backup in the place of what is there")
    arguments = command.parse_args()
    try:
        with house(arguments.state) as admin:
            applied = restore(admin, arguments.folder, replace=arguments.replace)
    except (DumpError, LedgerError, StateError, ServerError, SettingsError) as error:
        raise SystemExit(f"baoho: {error}") from None
    except psycopg.Error as error:
        raise SystemExit(f"baoho: the database refused ({type(error).__name__}); nothing was replaced") from None
    for service, erased in applied.items():
        print(f"{service}: restored, {erased} erasures applied")
    print("Now: make keys-check, then start the house.")


if __name__ == "__main__":
    main()
