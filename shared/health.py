"""Is this service alive, ready, and how far behind: what probes and scrapes ask."""

from collections.abc import Callable, Mapping

from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError

from shared import migrations
from shared.chain.unsealed import backlog
from shared.metrics import Metrics
from shared.runtime import Runtime
from shared.tables import dead_letter, fetch, mailbox, outbox

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
    age = func.extract("epoch", func.now() - func.min(outbox.c.created_at))
    states = select(dead_letter.c.state, func.count()).group_by(dead_letter.c.state)
    overdue = select(func.count()).where(fetch.c.done_at.is_(None), fetch.c.due_at < func.now())
    metrics.keys_missing.set(runtime.keys_missing)
    try:
        with runtime.engine.connect() as connection:
            waiting, oldest = connection.execute(select(func.count(outbox.c.id), age)).one()
            by_state: dict[str, int] = {row.state: row[1] for row in connection.execute(states)}
            metrics.outbox_waiting.set(waiting)
            metrics.outbox_age.set(float(oldest or 0))
            metrics.dead_letters.set(by_state.get("dead", 0))
            metrics.parked.set(by_state.get("parked", 0))
            metrics.replays_due.set(by_state.get("due", 0))
            metrics.fetches_due.set(connection.execute(overdue).scalar_one())
            metrics.lag.set(connection.execute(select(func.count(mailbox.c.id))).scalar_one() + runtime.carrier_lag())
            unsealed, unsealed_age = backlog(connection)
            metrics.audit_unsealed.set(unsealed)
            metrics.audit_unsealed_age.set(unsealed_age)
    except SQLAlchemyError:
        return


def _holds(check: Check) -> bool:
    try:
        return check()
    except Exception:  # noqa: BLE001 - a probe answers, whatever broke
        return False


def _database_answers(runtime: Runtime) -> bool:
    with runtime.engine.connect() as connection:
        return bool(connection.execute(text("SELECT 1")).scalar_one() == 1)
