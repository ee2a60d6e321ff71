"""What is measured on: PostgreSQL with its durable settings, the issuer, and processes started as the stack starts them."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Self

import httpx
import psycopg

from deploy.identity import ISSUER
from deploy.identity.demo import mint
from deploy.identity.keys import ensure_key
from deploy.nursery import Forked, Nursery
from deploy.postgres import Server
from deploy.state import environment, make_folder, open_state
from deploy.topology import LOOPBACK, SERVICES, Process, Service
from shared import migrations
from tests.harness import free_port

READY_SECONDS = 60.0
STOP_SECONDS = 20.0
TICKS = os.sysconf("SC_CLK_TCK")
KIB = 1024


@dataclass(frozen=True, slots=True)
class Running:
    """A process that answers: where, and what it has used."""

    url: str
    process: subprocess.Popen[bytes] | Forked

    def cpu_seconds(self) -> float:
        """Return the seconds of processor time used so far, by the program and by the kernel for it."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def resident_mib(self) -> float:
        """Return the memory in use: pages shared with other processes are counted in parts."""
        return memory_mib(self.process.pid)


class Parts:
    """The parts of one run of the bench; its state folder is kept, so that what was seeded need not be seeded again."""

    def __init__(self, state: Path) -> None:
        self.state = open_state(state)
        self.logs = make_folder(self.state / "logs")
        self.identity = make_folder(self.state / "identity")
        self.database = Server(self.state / "postgres", free_port())
        self.environment: dict[str, str] = {}
        self._ends = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.callback(self._ends.close)
            self._start()
            undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    def token(self, role: str) -> str:
        """Return a token of a demo identity."""
        return mint(self.identity, role)

    @contextmanager
    def fresh(self, service: str) -> Iterator[str]:
        """Lend an empty, migrated database: its name."""
        name = f"bench_{service}"
        self.database.drop(name)
        self.database.clone(service, name)
        try:
            yield name
        finally:
            self.database.drop(name)

    def has(self, database: str) -> bool:
        """Say whether a database is there, whole."""
        with self.database.connect() as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,)).fetchone()
        return found is not None

    def connect(self, database: str) -> psycopg.Connection:
        """Connect as the superuser, which commits each statement."""
        return self.database.connect(database)

    @contextmanager
    def serving(self, service: Service, database: str, count: int = 1) -> Iterator[list[Running]]:
        """Run `count` API processes of a service on one database."""
        with ExitStack() as ends:
            more = {f"{service.name.upper()}_DATABASE_URL": self.database.url(service.name, database=database)}
            processes = [replace(service, api_port=port).api() for port in _apart(count)]
            yield [ends.enter_context(self.running(process, more)) for process in processes]

    @contextmanager
    def running(self, process: Process, more: Mapping[str, str]) -> Iterator[Running]:
        """Run one process until the end of the block; it answers at its readiness path when the block begins."""
        with ExitStack() as ends:
            [running] = self.start(ends, [process], more)
            yield running

    def start(
        self, ends: ExitStack, processes: Sequence[Process], more: Mapping[str, str], nursery: Nursery | None = None
    ) -> list[Running]:
        """Start processes at once, each by itself or from a nursery; return when all answer; they stop with `ends`."""
        running = [self._launch(ends, process, more, nursery) for process in processes]
        with httpx.Client(timeout=2, trust_env=False) as client:
            for one, process in zip(running, processes, strict=True):
                self._await(client, one, process)
        return running

    def _launch(self, ends: ExitStack, process: Process, more: Mapping[str, str], nursery: Nursery | None) -> Running:
        environment = {**os.environ, **self.environment, **more}
        with (self.logs / f"{process.name}.log").open("wb") as log:
            started = nursery.fork(process, environment, log) if nursery else _executed(process, environment, log)
        ends.callback(started.wait, STOP_SECONDS)
        ends.callback(started.terminate)
        return Running(f"http://{LOOPBACK}:{process.port}", started)

    def _await(self, client: httpx.Client, running: Running, process: Process) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not _answers(client, running.url + process.ready):
            if _has_ended(running.process) or time.monotonic() > deadline:
                message = f"{process.name} did not start: see {self.logs / process.name}.log"
                raise SystemExit(message)
            time.sleep(0.02)

    def _start(self) -> None:
        ensure_key(self.identity)
        self._ends.callback(self.database.stop)
        self.database.start()
        self.database.prepare()
        port = free_port()
        url = f"http://{LOOPBACK}:{port}"
        self.environment = environment(self.state, self.database, public_url=url, issuer_url=url, issuer=ISSUER)
        for service in SERVICES:
            migrations.upgrade(service.name, self.environment[service.owner_setting])
        serve = ("-m", "deploy.identity.serve", "--state", str(self.identity), "--port", str(port), "--public-url", url)
        self._ends.enter_context(self.running(Process("identity", serve, port, "/identity/livez"), {}))


def memory_mib(pid: int) -> float:
    """Return the memory a process uses: pages shared with others are counted in parts (PSS)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    [pss] = [line for line in lines if line.startswith("Pss:")]
    return int(pss.split()[1]) / KIB


def _executed(process: Process, environment: Mapping[str, str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    command = [sys.executable, *process.arguments]
    return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def _has_ended(process: subprocess.Popen[bytes] | Forked) -> bool:
    return process.ended() if isinstance(process, Forked) else process.poll() is not None


def _apart(count: int) -> list[int]:
    """Return free ports for processes that keep to different processors: neighbours, as far as they are free."""
    first = free_port()
    return [first, *range(first + 1, first + count)]


def _answers(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(url).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
