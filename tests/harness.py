"""Services as tests run them: real code on a cloned database, reached in process."""

import logging
import secrets
import socket
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from importlib import import_module
from typing import Any
from uuid import UUID

import structlog
from fastapi import FastAPI
from sqlalchemy import URL, Engine, RowMapping, Table, make_url, select
from sqlmodel import Session
from starlette.testclient import TestClient

from deploy.identity import ISSUER
from deploy.postgres import Server
from shared.auth import KeySet, Verifier
from shared.bus import Record
from shared.clock import now
from shared.contracts import KNOWN
from shared.events import Envelope, Event, headers_for, topic_of
from shared.ids import new_id
from shared.inbox import Inbox
from shared.metrics import Metrics
from shared.runtime import Act, Runtime
from shared.tables import outbox
from tests import databases

LINK_KEYS = f"k1:{b64encode(secrets.token_bytes(32)).decode()}"


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def new_key() -> str:
    """Return 32 random bytes in base64."""
    return b64encode(secrets.token_bytes(32)).decode()


@contextmanager
def own_logging() -> Iterator[None]:
    """Take back how a program of its own logs: other tests run after it in the same process."""
    root, ours = logging.getLogger(), logging.getLogger("baoho")
    before = root.handlers, root.level, ours.level
    try:
        yield
    finally:
        root.handlers, root.level, ours.level = before
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()


class Api(TestClient):
    """A client that, like every careful one, sends an idempotency key with each POST."""

    def post(self, url: Any, **options: Any) -> Any:
        headers = {"Idempotency-Key": str(new_id()), **(options.pop("headers", None) or {})}
        return super().post(url, headers=headers, **options)


_idle: dict[str, list[tuple[Runtime, FastAPI | None]]] = {}
"""Apps of ended tests: building one takes longer than most tests, and all that a test changes hangs on its runtime."""


_engines: dict[URL, Engine] = {}
"""Engines of ended tests, by the database that was handed on: each knows by heart the statements that it was asked."""


def _take(service: str, opened: Runtime) -> tuple[Runtime, FastAPI | None]:
    """Return a runtime like `opened`, with an app already built on it where one is idle."""
    if not _idle.get(service):
        return opened, None
    runtime, app = _idle[service].pop()
    for field in fields(Runtime):
        setattr(runtime, field.name, getattr(opened, field.name))
    return runtime, app


def _trust(app: FastAPI, runtime: Runtime) -> None:
    """Let an app that another test left believe the issuer of this one."""
    settings = runtime.settings
    if app.state.verifier.issuer != settings.oidc_issuer:
        app.state.verifier = Verifier(settings.oidc_issuer, runtime.service, KeySet(settings.oidc_jwks_url))


class House:
    """The services of one test, each on a clone of its migrated database."""

    def __init__(self, server: Server, issuer_url: str, name: str) -> None:
        self._server = server
        self._issuer_url = issuer_url
        self._name = name
        self._runtimes: dict[str, Runtime] = {}
        self._apps: dict[str, FastAPI | None] = {}
        self._clients: dict[str, Api] = {}
        self._databases: dict[str, str] = {}
        self._altered: set[str] = set()

    def settings(self, service: str, **changes: Any) -> Any:
        """Return a service's settings on its cloned database."""
        kind = import_module(f"services.{service}.settings").Settings
        values = {
            "env": "development",
            "public_url": "http://127.0.0.1:8000",
            "oidc_issuer": ISSUER,
            "oidc_jwks_url": f"{self._issuer_url}/identity/.well-known/jwks.json",
            "oidc_token_url": f"{self._issuer_url}/identity/token",
            "database_url": self.url(service),
            "service_keys": f"k1:{new_key()}",
            "audit_keys": f"k1:{new_key()}",
            "client_secret": secrets.token_urlsafe(32),
            "search_keys": f"k1:{new_key()}",
            "link_keys": LINK_KEYS,
        }
        return kind(**{**values, **changes})

    def url(self, service: str, role: Any = "app") -> str:
        """Return the address of a service's database; its owner, who may alter it, is the last who uses it."""
        if role == "owner":
            self._altered.add(service)
        return self._server.url(service, role, database=self.database(service))

    def database(self, service: str) -> str:
        """Return the name of a service's database, taken at first use."""
        if service not in self._databases:
            self._databases[service] = databases.take(self._server, service, f"{self._name}_{service}")
        return self._databases[service]

    def runtime(self, service: str) -> Runtime:
        """Return a service's runtime, opened at first use."""
        if service not in self._runtimes:
            opened = import_module(f"services.{service}.app").runtime(self.settings(service))
            opened.engine = _engines.setdefault(opened.engine.url, opened.engine)
            self._runtimes[service], self._apps[service] = _take(service, opened)
        return self._runtimes[service]

    def client(self, service: str) -> Api:
        """Return a client of a service's app; failures come back as answers, as they would over the wire."""
        if service not in self._clients:
            runtime = self.runtime(service)
            app = self._apps[service] or import_module(f"services.{service}.app").build(runtime)
            app.state.metrics = Metrics()
            _trust(app, runtime)
            self._apps[service] = app
            self._clients[service] = Api(app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False)
        return self._clients[service]

    def session(self, service: str, actor: str = "test") -> Session:
        """Open a session, to arrange or to look."""
        return self.runtime(service).session(Act(actor, "test", "test-correlation"))

    def rows(self, service: str, table: Table) -> list[RowMapping]:
        """Return the rows of a kit table."""
        with self.runtime(service).engine.connect() as connection:
            return list(connection.execute(select(table)).mappings())

    def published(self, service: str, kind: type[Event] | None = None) -> list[Any]:
        """Return the events that wait in a service's outbox, oldest first."""
        events = [
            KNOWN[row["headers"]["ce_type"]].model_validate_json(row["payload"]) for row in self._waiting(service)
        ]
        return [event for event in events if kind is None or isinstance(event, kind)]

    def handle(self, service: str, event: Event, key: UUID | None = None, event_id: UUID | None = None) -> UUID:
        """Bring an event to a service as a carrier would; return the event's id."""
        envelope = Envelope(event_id or new_id(), event, now(), str(key or new_id()), 1, "test-correlation", None)
        headers = tuple((name, value.encode()) for name, value in headers_for(envelope).items())
        record = Record(topic_of(event.producer()), envelope.key, headers, event.model_dump_json().encode())
        self.inbox(service).accept(record, 0)
        return envelope.event_id

    def carry(self, *consumers: str) -> int:
        """Carry every waiting event of every open service to these services, in order, until nothing waits."""
        carried = 0
        while records := [record for service in list(self._runtimes) for record in self._take(service)]:
            for record in records:
                carried += 1
                for consumer in consumers:
                    self.inbox(consumer).accept(record, 0)
        return carried

    def inbox(self, service: str, **options: Any) -> Inbox:
        """Return the inbox of a service with its real handlers."""
        handlers = import_module(f"services.{service}.handlers").HANDLERS
        return Inbox(self.runtime(service), handlers, KNOWN, **options)

    def close(self) -> None:
        """Let everything go, and hand on the databases whose tables nobody altered."""
        for client in self._clients.values():
            client.close()
        for service, runtime in self._runtimes.items():
            runtime.close()
            _idle.setdefault(service, []).append((runtime, self._apps[service]))
        while self._databases:
            service, name = self._databases.popitem()
            if service in self._altered:
                self._server.drop(name)
                _engines.pop(make_url(self._server.url(service, database=name)), None)
            else:
                databases.hand_on(self._server, service, name)

    def _waiting(self, service: str) -> list[RowMapping]:
        with self.runtime(service).engine.connect() as connection:
            return list(connection.execute(select(outbox).order_by(outbox.c.id)).mappings())

    def _take(self, service: str) -> list[Record]:
        rows = self._waiting(service)
        with self.runtime(service).engine.begin() as connection:
            connection.execute(outbox.delete().where(outbox.c.id.in_([row["id"] for row in rows])))
        pairs = [(row, tuple((name, text.encode()) for name, text in row["headers"].items())) for row in rows]
        return [Record(row["topic"], row["key"], headers, bytes(row["payload"])) for row, headers in pairs]
