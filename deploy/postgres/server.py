"""The embedded PostgreSQL server: `with Server(Path("var/postgres")) as server: server.prepare()`."""

import hashlib
import json
import os
import secrets
import shutil
import socket
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from urllib.parse import quote

import psycopg

from deploy.postgres import cluster, place, process, roles
from deploy.postgres.cluster import ROOT
from deploy.postgres.errors import ServerError
from deploy.postgres.folders import make_folder, open_private, write_private

Role = Literal["app", "owner"]
_SOCKET_PORT = 5432  # Only a part of the socket's file name.
_SOCKET_LIMIT = 103  # Bytes of a socket's path: 107 on Linux, 103 on macOS.
_LOG_LIMIT = 10_000_000
_READY = 120.0


class Server:
    """PostgreSQL 18 on one state folder, on a private Unix socket, or with a port on 127.0.0.1; scram everywhere.

    `fast` is for tests: nothing is flushed to the disk, so a power cut (not a kill) may lose it all. `note` has a
    line to show when the files had to go elsewhere (as root), empty otherwise. `start` and `url` raise `ServerError`
    with one line for a person; the methods that speak to the server raise psycopg's errors.
    """

    def __init__(self, state: Path, port: int | None = None, *, fast: bool = False) -> None:
        self.state = state.absolute().resolve()
        self.port = port
        self.fast = fast
        self.note = ""
        self._postmaster: process.Postmaster | None = None
        self._lock: int | None = None
        self._folder: Path | None = None
        self._own_sockets: Path | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def folder(self) -> Path:
        """Where the files really are: the state folder, or its stand-in under /var/lib/baoho."""
        return self._folder or place.locate(self.state, fast=self.fast)

    @property
    def log(self) -> Path:
        """PostgreSQL's log, without statements and without error texts, which quote personal data."""
        return self.folder / "server.log"

    @property
    def pid(self) -> int | None:
        """The process id of the server that we started and that lives, else `None`."""
        return self._postmaster.pid if self._postmaster and self._postmaster.running else None

    def start(self) -> None:
        """Start the server, at the first time with a new data folder, and return once it answers."""
        if self.pid is not None:
            return
        self.stop()
        try:
            with ExitStack() as undo:
                undo.callback(self.stop)
                self._start(place.settle(self.state, fast=self.fast))
                undo.pop_all()
        except OSError as error:
            msg = f"PostgreSQL cannot use {error.filename or self.state}: {error.strerror or error}."
            raise ServerError(msg) from error

    def stop(self) -> None:
        """Stop the server, within 10 s unless it hangs; without a running one nothing happens."""
        if self._postmaster is not None:
            self._postmaster.stop()
            self._postmaster = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        if self._own_sockets is not None:
            with suppress(OSError):
                self._own_sockets.rmdir()
            self._own_sockets = None

    def destroy(self) -> None:
        """Stop the server and remove all its files, wherever they are."""
        self.stop()
        for folder in {self.folder, self.state}:
            shutil.rmtree(folder, ignore_errors=True)
        self._folder = None

    def prepare(self) -> None:
        """Make every service's roles and database; what is there already stays."""
        with self.connect() as connection:
            roles.make_roles(connection, self._passwords())
            for service in roles.SERVICES:
                roles.make_database(connection, service)
        for service in roles.SERVICES:
            with self.connect(service) as connection:
                roles.grant_schema(connection, service)

    def clone(self, template: str, name: str) -> None:
        """Copy a database, to which nobody is connected, under a new name, with owner and rights."""
        with self.connect() as connection:
            roles.clone_database(connection, template, name)

    def drop(self, name: str) -> None:
        """Drop a database if it is there, whoever is connected to it."""
        with self.connect() as connection:
            roles.drop_database(connection, name)

    def url(self, service: str, role: Role = "app", database: str | None = None) -> str:
        """Compose the SQLAlchemy URL, password included, for a service's role; `database` is by default its own."""
        login = f"{service}_{role}"
        passwords = self._passwords()
        if login not in passwords:
            msg = f"there is no database role {login}: the services are {', '.join(roles.SERVICES)}."
            raise ServerError(msg)
        address = "" if self.port is None else f"127.0.0.1:{self.port}"
        sockets = "" if self.port is not None else f"?host={quote(str(self._sockets()), safe='/')}"
        name = quote(database or service, safe="")
        return f"postgresql+psycopg://{login}:{quote(passwords[login], safe='')}@{address}/{name}{sockets}"

    def admin_url(self, database: str = "postgres") -> str:
        """Compose the superuser's URL, password included; for dumps and restores only."""
        login = f"{ROOT}:{quote(self._passwords()[ROOT], safe='')}"
        address = "" if self.port is None else f"127.0.0.1:{self.port}"
        sockets = "" if self.port is not None else f"?host={quote(str(self._sockets()), safe='/')}"
        return f"postgresql+psycopg://{login}@{address}/{quote(database, safe='')}{sockets}"

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        """Connect as the superuser, which commits each statement; for setting up, dumps and tests only."""
        return psycopg.connect(
            dbname=database,
            user=ROOT,
            password=self._passwords()[ROOT],
            host="127.0.0.1" if self.port is not None else str(self._sockets()),
            port=_SOCKET_PORT if self.port is None else self.port,
            require_auth="scram-sha-256",  # Whoever else may listen there is not shown the password.
            connect_timeout=10,
            autocommit=True,
        )

    def _start(self, here: place.Place) -> None:
        self.note, self._folder = here.note, here.folder
        self._lock = process.take_lock(here)
        self._refuse_taken_port()
        if here.data.exists():
            cluster.refuse_unusable(here.data)
        passwords = self._make_passwords(here)
        if not here.data.exists():
            cluster.create(here, passwords[ROOT], fast=self.fast)
        self._own_sockets = sockets = self._sockets()
        if sockets:
            make_folder(sockets, here.account)
        process.clear_leftovers(here.data, sockets)
        self._launch(here, cluster.server_command(here, sockets, self.port or _SOCKET_PORT, fast=self.fast))

    def _launch(self, here: place.Place, command: list[str]) -> None:
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT:
            self.log.replace(self.log.with_suffix(".log.1"))
        log = open_private(self.log, here.account)
        try:
            written = os.fstat(log).st_size
            self._postmaster = process.Postmaster(command, here, log, self._lock or 0)
            self._await_ready(log, written)
        finally:
            os.close(log)

    def _await_ready(self, log: int, written: int) -> None:
        deadline = time.monotonic() + _READY
        while time.monotonic() < deadline:
            if self.pid is None:
                msg = f"PostgreSQL did not start: {_last_words(log, written)} ({self.log})"
                raise ServerError(msg)
            try:
                self.connect().close()
            except psycopg.OperationalError as error:
                self._refuse_other_password(error)
                time.sleep(process.STEP)
            else:
                return
        msg = f"PostgreSQL did not answer within {_READY:.0f} s: see {self.log}."
        raise ServerError(msg)

    def _refuse_other_password(self, error: psycopg.OperationalError) -> None:
        if "password authentication failed" in str(error):
            msg = f"{self.folder / 'passwords.json'} does not fit the data beside it: restore both from one backup."
            raise ServerError(msg) from error

    def _refuse_taken_port(self) -> None:
        if self.port is None:
            return
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", self.port))
            except OSError as error:
                msg = f"port {self.port} on 127.0.0.1 cannot be used ({error.strerror}): choose another for PostgreSQL."
                raise ServerError(msg) from error

    def _sockets(self) -> Path | None:
        """Name the folder of the socket: in the state, or a short one whose name nobody can guess; `None` over TCP."""
        if self.port is not None:
            return None
        folder = self.folder / "run"
        path = str(folder / f".s.PGSQL.{_SOCKET_PORT}")
        # A comma separates hosts for the client and, like quotes, folders for the server.
        if len(os.fsencode(path)) <= _SOCKET_LIMIT and not set(path) & set(",'\"\\"):
            return folder
        digest = hashlib.sha256(f"{self._passwords()[ROOT]} {path}".encode()).hexdigest()
        return Path("/tmp") / f"baoho-{digest[:16]}"  # noqa: S108 - 0700, its name made from a secret

    def _passwords(self) -> dict[str, str]:
        file = self.folder / "passwords.json"
        try:
            kept: dict[str, str] = json.loads(file.read_bytes())
        except FileNotFoundError as error:
            msg = f"{file} is missing: start PostgreSQL once, or restore the file beside its data."
            raise ServerError(msg) from error
        except (OSError, ValueError) as error:
            msg = f"{file} cannot be read ({type(error).__name__}): restore it from the backup of its data."
            raise ServerError(msg) from error
        return kept

    def _make_passwords(self, here: place.Place) -> dict[str, str]:
        file = here.folder / "passwords.json"
        kept = self._passwords() if file.exists() or here.data.exists() else {}
        if missing := [role for role in roles.LOGINS if role not in kept]:
            kept |= {role: secrets.token_urlsafe(24) for role in missing}
            write_private(file, json.dumps(kept, indent=1) + "\n", here.account)
        return kept


def _last_words(log: int, written: int) -> str:
    """Find the last FATAL line, or the last line, that was written to the log after the first `written` bytes."""
    lines = os.pread(log, 100_000, written).decode(errors="replace").strip().splitlines()
    fatal = [line.partition("FATAL:")[2].strip() for line in lines if "FATAL:" in line]
    return (fatal or lines or ["no reason given"])[-1][:300]
