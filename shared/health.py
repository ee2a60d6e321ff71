"""Is this service alive, ready, and how far behind: what probes and scrapes ask."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, text
from sqlalchemy.exc import SQLAlchemyError

from shared import migrations
from shared.chain.unsealed import backlog
from shared.clock import now
from shared.erasures import UNLEDGERED
from shared.metrics import Metrics
from shared.runtime import Runtime
from shared.tables import dead_letter, fetch, mailbox, outbox, person_key

Check = Callable[[], bool]


def checks(runtime: Runtime) -> dict[str, Check]:
    """Return what must hold before this process takes requests: its database answers, its migrations are at head."""
    return {
        "database": lambda: _database_answers(runtime),
        "migrations": lambda: migrations.at_head(runtime.engine, runtime.service),
    }


def run(checks: Mapping[str, Check]) -> dict[str, bool]:
    """Run each check; one that raises has failed."""
    return {name: _holds(check) for name, check in checks.items()}


def measure(runtime: Runtime, metrics: Metrics) -> None:
    """Set the gauges that only the database knows; while it is away they keep their last value."""
    metrics.keys_missing.set(runtime.keys_missing)
    try:
        with runtime.engine.connect() as connection:
            _measure_events(connection, metrics)
            _measure_fetches(connection, metrics)
            metrics.lag.set(connection.execute(select(func.count(mailbox.c.id))).scalar_one() + runtime.carrier_lag())
            metrics.clock_skew.set(_skew(connection))
            unledgered = connection.execute(select(func.count()).select_from(person_key).where(*UNLEDGERED))
            metrics.erasures_unledgered.set(unledgered.scalar_one())
            unsealed, unsealed_age = backlog(connection)
            metrics.audit_unsealed.set(unsealed)
            metrics.audit_unsealed_age.set(unsealed_age)
            for figure in runtime.figures:
                metrics.tell(figure, float(connection.execute(figure.select).scalar_one()))
    except SQLAlchemyError:
        return


def _measure_events(connection: Connection, metrics: Metrics) -> None:
    waiting, age = connection.execute(select(func.count(outbox.c.id), _age_of(outbox.c.created_at))).one()
    metrics.outbox_waiting.set(waiting)
    metrics.outbox_age.set(float(age or 0))
    states = select(dead_letter.c.state, func.count()).group_by(dead_letter.c.state)
    by_state: dict[str, int] = {row.state: row[1] for row in connection.execute(states)}
    metrics.dead_letters.set(by_state.get("dead", 0))
    metrics.parked.set(by_state.get("parked", 0))
    metrics.replays_due.set(by_state.get("due", 0))


def _measure_fetches(connection: Connection, metrics: Metrics) -> None:
    """Between two tries a detail is not overdue, and lacking all the same: its age tells."""
    lacking = (fetch.c.done_at.is_(None), fetch.c.due_at < func.now())
    metrics.fetches_due.set(connection.execute(select(func.count()).where(*lacking)).scalar_one())
    age = connection.execute(select(_age_of(fetch.c.created_at)).where(lacking[0])).scalar_one()
    metrics.fetch_age.set(float(age or 0))


def _age_of(created_at: Any) -> Any:
    return func.extract("epoch", func.now() - func.min(created_at))


def _skew(connection: Connection) -> float:
    """Return how many seconds the two clocks are apart, less what the question itself may have taken."""
    asked = now()
    theirs: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return max((asked - theirs).total_seconds(), (theirs - now()).total_seconds(), 0.0)


def _holds(check: Check) -> bool:
    try:
        return check()
    except Exception:  # noqa: BLE001 - a probe answers, whatever broke
        return False


def _database_answers(runtime: Runtime) -> bool:
    with runtime.engine.connect() as connection:
        return bool(connection.execute(text("SELECT 1")).scalar_one() == 1)
