"""The fetch loop: details that one service needs of another, brought outside any transaction, applied in one."""

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain
from typing import Any, ClassVar

import httpx
import structlog
from opentelemetry.trace import SpanKind
from pydantic import BaseModel, ConfigDict
from sqlalchemy import RowMapping, insert, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from shared import telemetry
from shared.clock import now
from shared.logging import get_logger, where
from shared.pausing import pause
from shared.runtime import Act, Runtime, act_of
from shared.tables import fetch
from shared.telemetry import span, traceparent

LEASE = timedelta(seconds=60)
"""A fetch in hand is not taken again for so long; a worker that dies leaves it to the next."""
DELAYS = (1, 5, 15, 60, 300, 900, 3600)
"""Seconds between tries; the last repeats for ever: a detail someone needs is never given up silently."""
IDLE_SECONDS = 1.0
BATCH = 16
TIMEOUT = 10.0

log = get_logger("fetch")


class ReadModel(BaseModel):
    """What one service offers another: `path` at `owner`, its fields in braces from the asker's parameters."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    owner: ClassVar[str]
    path: ClassVar[str]


Appliers = Mapping[type[ReadModel], Callable[[Session, Any, dict[str, str]], None]]
"""What a service does with fetched details, given the parameters it asked with."""


def ask(session: Session, wanted: type[ReadModel], **params: object) -> None:
    """Let the worker fetch `wanted` after this transaction commits; `params` are ids, never personal data."""
    values = {name: str(value) for name, value in params.items()}
    correlation_id = act_of(session).correlation_id
    row = {"kind": wanted.__name__, "params": values, "correlation_id": correlation_id, "traceparent": traceparent()}
    session.connection().execute(insert(fetch).values(**row))


@dataclass(slots=True)
class ServiceIdentity:
    """A service's own tokens, one per target, by client credentials (RFC 6749, section 4.4).

    Issuers differ in how a target is asked for: the development issuer reads `audience`, Keycloak a scope of its own.
    """

    runtime: Runtime
    _tokens: dict[str, tuple[float, str]] = field(default_factory=dict)

    def token(self, client: httpx.Client, audience: str) -> str:
        """Return a token that `audience` accepts for at least 30 s more."""
        until, token = self._tokens.get(audience, (0.0, ""))
        if until > time.monotonic():
            return token
        settings = self.runtime.settings
        form = {
            "grant_type": "client_credentials",
            "client_id": self.runtime.service,
            "client_secret": settings.client_secret.get_secret_value(),
            "audience": audience,
            "scope": f"audience:{audience}",
        }
        granted = client.post(settings.oidc_token_url, data=form).raise_for_status().json()
        self._tokens[audience] = (time.monotonic() + granted["expires_in"] - 30, granted["access_token"])
        return str(granted["access_token"])


class Fetcher:
    """Takes due rows, asks the owner with this service's identity, and hands the answer to the service's `APPLY` table."""

    def __init__(self, runtime: Runtime, apply: Appliers) -> None:
        self._runtime = runtime
        self._apply = {model.__name__: (model, function) for model, function in apply.items()}
        self._identity = ServiceIdentity(runtime)

    async def run(self, stop: asyncio.Event) -> None:
        """Fetch until `stop` is set."""
        while not stop.is_set():
            try:
                done = await asyncio.to_thread(self.fetch_due, stop)
            except SQLAlchemyError as error:
                log.warning("fetch_database_away", error=where(error))
                done = 0
            if not done:
                await pause(stop, IDLE_SECONDS)

    def fetch_due(self, stop: asyncio.Event | None = None) -> int:
        """Fetch what is due now, unless told to stop; return how many were applied."""
        rows = self._due(stop)
        first = next(rows, None)
        if first is None:
            return 0
        with httpx.Client(timeout=TIMEOUT, trust_env=False) as client:
            return sum(self._fetch(client, row) for row in chain([first], rows))

    def _due(self, stop: asyncio.Event | None) -> Iterator[RowMapping]:
        """Lease one at a time: of several leased together, the last would be out of lease when an owner is slow."""
        for _ in range(BATCH):
            row = None if stop is not None and stop.is_set() else self._lease()
            if row is None:
                return
            yield row

    def _lease(self) -> RowMapping | None:
        due = (
            select(fetch.c.id)
            .where(fetch.c.done_at.is_(None), fetch.c.due_at <= now(), fetch.c.kind.in_(self._apply))
            .order_by(fetch.c.due_at)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        leased = update(fetch).where(fetch.c.id == due.scalar_subquery()).values(due_at=now() + LEASE).returning(fetch)
        with self._runtime.engine.begin() as connection:
            return connection.execute(leased).mappings().first()

    def _fetch(self, client: httpx.Client, row: RowMapping) -> int:
        model, apply = self._apply[row["kind"]]
        with (
            structlog.contextvars.bound_contextvars(
                service=self._runtime.service, correlation_id=row["correlation_id"]
            ),
            span(self._runtime.tracer, f"fetch {row['kind']}", SpanKind.CLIENT, row["traceparent"]),
        ):
            try:
                details = model.model_validate_json(self._get(client, model, row))
                self._applied(row, apply, details)
            except Exception as error:  # noqa: BLE001 - whatever broke, this one waits and the others go on
                self._postpone(row, error)
                return 0
            log.info("fetched", kind=row["kind"])
        return 1

    def _get(self, client: httpx.Client, model: type[ReadModel], row: RowMapping) -> bytes:
        url = self._runtime.settings.address_of(model.owner) + model.path.format(**row["params"])
        headers = {
            "Authorization": f"Bearer {self._identity.token(client, model.owner)}",
            "X-Correlation-Id": row["correlation_id"],
            **telemetry.headers(),
        }
        return client.get(url, headers=headers).raise_for_status().content

    def _applied(self, row: RowMapping, apply: Callable[..., None], details: ReadModel) -> None:
        act = Act("system:fetch", apply.__name__, row["correlation_id"])
        with self._runtime.session(act) as session:
            mine = select(fetch.c.id).where(fetch.c.id == row["id"], fetch.c.done_at.is_(None)).with_for_update()
            if session.connection().execute(mine).first() is None:
                return
            apply(session, details, dict(row["params"]))
            done = update(fetch).where(fetch.c.id == row["id"]).values(done_at=now(), last_problem=None)
            session.connection().execute(done)
            session.commit()
        self._runtime.wake()

    def _postpone(self, row: RowMapping, error: Exception) -> None:
        """Try again later; the problem is kept as a kind, never as a text that could quote details."""
        problem = type(error).__name__
        if isinstance(error, httpx.HTTPStatusError):
            problem = f"http_{error.response.status_code}"
        delay = DELAYS[min(row["attempts"], len(DELAYS) - 1)] * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load
        log.warning("fetch_failed", kind=row["kind"], attempts=row["attempts"] + 1, problem=problem, error=where(error))
        later = update(fetch).where(fetch.c.id == row["id"], fetch.c.done_at.is_(None))
        values: dict[str, Any] = {"attempts": row["attempts"] + 1, "due_at": now() + timedelta(seconds=delay)}
        with self._runtime.engine.begin() as connection:
            connection.execute(later.values(**values, last_problem=problem))
