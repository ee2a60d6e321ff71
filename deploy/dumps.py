"""What backup and restore share: the superuser's way in, the folder with its manifest, and PostgreSQL's own two tools."""

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg
from sqlalchemy.engine import URL, make_url

from deploy.operator import operator_environment
from deploy.postgres import binaries, reached
from shared.db import conninfo

ADMIN = "ADMIN_DATABASE_URL"
"""The setting of a server: the superuser's address, for these two commands alone."""
MANIFEST = "manifest.json"
VERSION = 1


class DumpError(Exception):
    """The backup or the restore cannot be made; the text is one line for a person."""


@dataclass(frozen=True, slots=True)
class Part:
    """One database in a backup: its file, what it should hold, and how far its ledger of erasures was."""

    service: str
    file: str
    sha256: str
    heads: list[str]
    rows: dict[str, int]
    ledger_entries: int
    ledger_chain: str


@contextmanager
def house(state: Path | None) -> Iterator[str]:
    """Let the environment name databases, keys and ledger, and return the superuser's address; raises `DumpError`."""
    with operator_environment(state):
        if state is not None:
            with reached(state.resolve() / "postgres") as server:
                yield server.admin_url()
            return
        if ADMIN not in os.environ or "LEDGER_DIR" not in os.environ:
            message = f"missing in the environment: {ADMIN} and LEDGER_DIR, or name a state folder"
            raise DumpError(message)
        yield os.environ[ADMIN]


def connect(admin: str, database: str = "postgres") -> psycopg.Connection:
    """Connect as the superuser, each statement by itself."""
    return psycopg.connect(at(admin, database), autocommit=True)


def at(url: str, database: str) -> str:
    """Return the libpq form of the same address for another database."""
    return conninfo(make_url(url).set(database=database).render_as_string(hide_password=False))


def run_tool(name: str, url: str, *arguments: str) -> None:
    """Run `pg_dump` or `pg_restore`; its password goes by the environment, and its complaints are not shown: they quote rows."""
    parsed = make_url(url)
    bare = URL.create("postgresql", parsed.username, None, parsed.host, parsed.port, parsed.database, parsed.query)
    address = bare.render_as_string(hide_password=False)
    environment = {**os.environ, "PGPASSWORD": str(parsed.password or "")}
    command = [str(binaries.installed() / "bin" / name), "--dbname", address, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = next((line for line in done.stderr.splitlines() if "error:" in line), "no reason given")
        message = f"{name} failed: {reason.partition('DETAIL')[0][:200]}"
        raise DumpError(message)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def count_rows(connection: psycopg.Connection) -> dict[str, int]:
    """Count the rows of each of a database's tables."""
    names = connection.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
    ).fetchall()
    return {name: _count(connection, name) for (name,) in names}


def _count(connection: psycopg.Connection, table: str) -> int:
    query = psycopg.sql.SQL("SELECT count(*) FROM {}").format(psycopg.sql.Identifier(table))
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def write_manifest(folder: Path, made_at: str, parts: Sequence[Part]) -> None:
    """Write what the folder holds, last of all: without it there is no backup."""
    told = {"version": VERSION, "made_at": made_at, "parts": [asdict(part) for part in parts]}
    path = folder / MANIFEST
    path.touch(mode=0o600)
    path.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> list[Part]:
    """Return the parts of a backup whose files are as they were written; raise `DumpError` for any other."""
    try:
        told = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        parts = [Part(**part) for part in told["parts"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"{folder} holds no backup: {MANIFEST} is missing or broken"
        raise DumpError(message) from error
    if told["version"] != VERSION:
        message = f"{folder} was written by another version ({told['version']}), ours is {VERSION}"
        raise DumpError(message)
    for part in parts:
        path = folder / part.file
        if not path.is_file() or digest(path) != part.sha256:
            message = f"{path} is not as it was written: this backup is not restored"
            raise DumpError(message)
    return parts
