"""What a running service holds, and who acts in a transaction; both travel with the session."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from opentelemetry.trace import Tracer
from sqlalchemy import Connection, Engine
from sqlmodel import Session

from shared.crypto import Vault
from shared.db import POOL_SIZE
from shared.metrics import Figure
from shared.settings import ServiceSettings
from shared.telemetry import OFF

Visible = Callable[[Any], Any]
REQUEST_THREADS = POOL_SIZE // 2
"""Half as many as the pool has connections. A thread holds at most one, from its first statement to its commit, so none of them
waits for another; what is left serves those who need one for a moment: denials, health, metrics. As one thread runs at a time,
more of them answer no more requests, and let the last of a crowd wait longer."""


@dataclass(frozen=True, slots=True)
class Act:
    """Who acts, in which conversation, from where: what audit rows and events say of a transaction."""

    actor: str
    operation: str
    correlation_id: str
    roles: tuple[str, ...] = ()
    causation_id: str | None = None
    address: str | None = None
    reason: str | None = None
    if_match: str | None = None


@dataclass(slots=True)
class Runtime:
    """One running service: its name, settings, database and keys; `wake` tells the relay that events wait."""

    service: str
    settings: ServiceSettings
    engine: Engine
    vault: Vault
    visible: Mapping[str, Visible] = field(default_factory=dict)
    wake: Callable[[], None] = lambda: None
    keys_missing: int = 0
    """Keys that something stored needs and that are not held, as the worker last saw it."""
    carrier_lag: Callable[[], int] = lambda: 0
    tracer: Tracer = OFF
    on_close: Sequence[Callable[[], None]] = ()
    figures: Sequence[Figure] = ()
    """What is measured of this service beside what is measured of each."""
    threads: Executor = field(default_factory=lambda: ThreadPoolExecutor(REQUEST_THREADS, "request"))
    """Where requests act."""
    shares_process: bool = False
    """All four services run in this process (`make run`): limits are shared, not set by each."""

    def session(self, act: Act, within: Connection | None = None) -> Session:
        """Open a session in which `act` is what happens; the caller commits and closes it.

        `within` a transaction it is one of several acts: its commit writes, and what is written stands when that commits.
        """
        return Session(
            within or self.engine,
            info={"runtime": self, "act": act},
            expire_on_commit=False,
            join_transaction_mode="rollback_only",
        )

    def close(self) -> None:
        """Let go of every connection."""
        self.threads.shutdown(wait=False)
        for close in self.on_close:
            close()
        self.engine.dispose()


def runtime_of(session: Session) -> Runtime:
    """Return the service whose transaction this is."""
    runtime: Runtime = session.info["runtime"]
    return runtime


def act_of(session: Session) -> Act:
    """Return who acts in this transaction."""
    act: Act = session.info["act"]
    return act


def amend_act(session: Session, **changes: Any) -> None:
    """Tell more about who acts, as it becomes known."""
    session.info["act"] = replace(act_of(session), **changes)
