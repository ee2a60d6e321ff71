"""From a commit in one service to its effect in another: organisations listed in the directory become known to intake."""

import math
import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from uuid import UUID

import psycopg

from deploy.postgres import Server
from deploy.topology import INTAKE, REFERRAL, Process
from services.referral.models import Organization
from services.referral.runtime import runtime as open_runtime
from services.referral.settings import Settings
from shared.contracts.referral import OrganizationListed
from shared.db import conninfo
from shared.outbox import publish
from shared.runtime import Act, Runtime
from tests.bench.carrying import kafka
from tests.bench.findings import Finding, Size
from tests.bench.parts import Parts
from tests.harness import free_port

RATE, P99 = 200, 150.0
"""Events in a second, and milliseconds."""
PATIENCE = 60.0
LOOK = 0.01
"""Seconds between two looks for effects: what a figure may be too high by."""


@dataclass(slots=True)
class Seen:
    """When each organisation was committed, and when it was there for another connection to read in intake."""

    committed: dict[UUID, float] = field(default_factory=dict)
    there: dict[UUID, float] = field(default_factory=dict)

    def latencies(self) -> list[float]:
        """Return the milliseconds between the two, sorted; infinite for what did not come while we waited."""
        return sorted((self.there.get(known, math.inf) - at) * 1000 for known, at in self.committed.items())


def on_both_carriers(parts: Parts, size: Size) -> list[Finding]:
    """Measure Kafka between two workers, and the embedded carrier within one process."""
    with _workers(parts) as (source, target):
        across = _measured(source, target, size)
    with _one_process(parts) as (source, target):
        within = _measured(source, target, size)
    return [_told("Kafka, two worker processes", across), _told("embedded, all in one process", within)]


def _told(how: str, latencies: list[float]) -> Finding:
    p50, p99 = (latencies[int((len(latencies) - 1) * part)] for part in (0.5, 0.99))
    figure = f"p50 {p50:.0f} ms, p99 {p99:.0f} ms of {len(latencies):,}"
    what = f"commit → effect in another service, {RATE} events/s, {how}"
    return Finding(what, figure, target=f"p99 ≤ {P99:.0f} ms", met=p99 <= P99)


def _measured(source: Runtime, target: str, size: Size) -> list[float]:
    """Commit at an even pace while another thread looks for the effects."""
    seen, count = Seen(), RATE * size.seconds * size.rounds
    looking = threading.Thread(target=_look, args=(target, seen, count))
    looking.start()
    began = time.perf_counter()
    for number in range(count):
        time.sleep(max(0.0, began + number / RATE - time.perf_counter()))
        organization = Organization(name="bench")
        with source.session(Act("system:bench", "list", "bench")) as session:
            session.add(organization)
            publish(session, organization, OrganizationListed(organization_id=organization.id, active=True))
            session.commit()
        seen.committed[organization.id] = time.perf_counter()
        source.wake()
    looking.join(PATIENCE)
    return seen.latencies()


def _look(target: str, seen: Seen, count: int) -> None:
    deadline = time.monotonic() + PATIENCE + count / RATE
    with psycopg.connect(target, autocommit=True) as connection:
        while len(seen.there) < count and time.monotonic() < deadline:
            missing = [known for known in list(seen.committed) if known not in seen.there]
            rows = connection.execute("SELECT id FROM partner WHERE id = ANY(%s)", (missing,)).fetchall()
            seen.there.update(dict.fromkeys((row[0] for row in rows), time.perf_counter()))
            time.sleep(LOOK)


@contextmanager
def _workers(parts: Parts) -> Iterator[tuple[Runtime, str]]:
    with ExitStack() as ends:
        bootstrap = ends.enter_context(kafka(parts)).bootstrap
        databases = {service: ends.enter_context(parts.fresh(service.name)) for service in (INTAKE, REFERRAL)}
        urls = {service: parts.database.url(service.name, database=name) for service, name in databases.items()}
        for service, url in urls.items():
            more = {f"{service.name.upper()}_DATABASE_URL": url, "KAFKA_BOOTSTRAP": bootstrap}
            ends.enter_context(parts.running(replace(service, worker_port=free_port()).worker(), more))
        yield ends.enter_context(_source(parts.environment, urls[REFERRAL])), conninfo(urls[INTAKE])


@contextmanager
def _one_process(parts: Parts) -> Iterator[tuple[Runtime, str]]:
    state, port = parts.state / "local", free_port()
    local = Process("local", ("-m", "deploy.local", "--port", str(port), "--state", str(state)), port, "/intake/readyz")
    with parts.running(local, {}):
        database = Server(state / "postgres")
        environment = parts.environment | {"INTAKE_DATABASE_URL": database.url("intake")}
        with _source(environment, database.url("referral")) as source:
            yield source, conninfo(database.url("intake"))


@contextmanager
def _source(environment: dict[str, str], url: str) -> Iterator[Runtime]:
    os.environ.update(environment)
    runtime = open_runtime(Settings(database_url=url))
    try:
        yield runtime
    finally:
        runtime.close()
