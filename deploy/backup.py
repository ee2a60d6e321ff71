"""`make backup`: all four databases into one folder, each as it stood at one instant; keys are not in it."""

import os
from pathlib import Path

import psycopg
from sqlalchemy.engine import make_url

from deploy.dumps import DumpError, Part, connect, count_rows, digest, house, run_tool, write_manifest
from deploy.operator import parser
from deploy.postgres import ServerError
from deploy.state import StateError
from deploy.topology import SERVICES
from shared import erasures
from shared.clock import now
from shared.erasures import LedgerError, ledger_of


def backup(admin: str, folder: Path) -> list[Part]:
    """Write a backup into a new folder, for its owner alone; raise `DumpError`, `LedgerError`."""
    try:
        folder.mkdir(mode=0o700, parents=True)
    except OSError as error:
        message = f"{folder} cannot be made ({error.strerror}): a backup goes into a folder of its own"
        raise DumpError(message) from error
    began = now().isoformat()
    parts = [_dump(admin, service.name, folder) for service in SERVICES]
    write_manifest(folder, began, parts)
    return parts


def _dump(admin: str, service: str, folder: Path) -> Part:
    """Dump from the very snapshot whose rows are counted."""
    # The ledger is read first: what is entered while we dump is applied again, which is harmless.
    entries = erasures.read(ledger_of(Path(os.environ["LEDGER_DIR"]), service))
    path = folder / f"{service}.dump"
    path.touch(mode=0o600)
    url = make_url(admin).set(database=service).render_as_string(hide_password=False)
    with connect(admin, service) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        with connection.transaction():
            snapshot = _text(connection, "SELECT pg_export_snapshot()")
            run_tool("pg_dump", url, "--format=custom", "--no-owner", f"--snapshot={snapshot}", f"--file={path}")
            rows = count_rows(connection)
            heads = [row[0] for row in connection.execute("SELECT version_num FROM alembic_version ORDER BY 1")]
    chain = entries[-1].chain if entries else erasures.START
    return Part(service, path.name, digest(path), heads, rows, len(entries), chain)


def _text(connection: psycopg.Connection, query: str) -> str:
    row = connection.execute(query).fetchone()
    return str(row[0]) if row else ""


def main() -> None:
    """Make the backup and say what it lacks."""
    command = parser(__doc__)
    command.add_argument("folder", type=Path, help="a folder that is not there yet")
    arguments = command.parse_args()
    try:
        with house(arguments.state) as admin:
            parts = backup(admin, arguments.folder)
    except (DumpError, LedgerError, StateError, ServerError) as error:
        raise SystemExit(f"baoho: {error}") from None
    for part in parts:
        print(f"{part.service}: {sum(part.rows.values())} rows, {part.ledger_entries} erasures in the ledger")
    keys = f"{arguments.state}/secrets.json" if arguments.state else "the environment of the services (.env)"
    print(f"The keys are not in it: they are in {keys}. Keep a copy of them, and never beside this folder.")


if __name__ == "__main__":
    main()
