"""What must be true once everything is repaired: each case stored once, told once, opened once, and every step's key kept."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Protocol
from uuid import UUID

from psycopg.sql import SQL, Identifier

from deploy.postgres import Server
from tests.faults.load import STEPS, Load
from tests.faults.street import until
from tests.shared.faults.world import SOAK

LONGEST = 600.0
"""Seconds: a fetch that met its owner away five times in a row is tried again after five minutes."""


class Stores(Protocol):
    """Where two services keep what they know."""

    server: Server

    def database(self, service: str) -> str:
        """Return the name of a service's database."""


def settled(stores: Stores, load: Load) -> None:
    """Bring every journey to its end and wait until each has its effect in the other service, details included."""
    load.finish()
    server, intake = stores.server, stores.database("intake")
    if not SOAK:
        let_leases_lapse(server, intake, "fetch", "due_at")
    fetched = "SELECT params->>'hotline_case_id' FROM \"fetch\" WHERE done_at IS NOT NULL"
    until(lambda: load.cases() <= {UUID(case) for (case,) in rows(server, intake, fetched)}, "all is fetched", LONGEST)
    carried = "SELECT key FROM outbox"
    until(lambda: not rows(server, stores.database("hotline"), carried), "all is carried")


def let_leases_lapse(server: Server, database: str, table: str, column: str) -> None:
    """Let a minute pass at once, after which what a broken transaction had in hand is taken up again."""
    with server.connect(database) as connection:
        connection.execute(
            SQL("UPDATE {0} SET {1} = now() WHERE {1} > now()").format(Identifier(table), Identifier(column))
        )


def assert_whole(stores: Stores, load: Load) -> None:
    """Compare what callers were told with what is stored."""
    server, hotline, intake = stores.server, stores.database("hotline"), stores.database("intake")
    references = {journey.reference for journey in load.journeys}
    cases = [
        row for row in rows(server, hotline, "SELECT reference, id, status FROM hotline_case") if row[0] in references
    ]
    opened = Counter(case for (case,) in rows(server, intake, "SELECT hotline_case_id FROM case_file"))
    kept = Counter(case for (case,) in rows(server, hotline, "SELECT row_id FROM idempotency"))
    assert Counter(reference for reference, _, _ in cases) == Counter(references)
    assert {case for _, case, _ in cases} == load.cases()
    assert {status for _, _, status in cases} == {"handed_over"}
    assert {opened[case] for case in load.cases()} == {1}
    assert {kept[case] for case in load.cases()} == {len(STEPS)}
    assert rows(server, intake, "SELECT reason FROM dead_letter") == []


def rows(server: Server, database: str, query: str) -> list[tuple[Any, ...]]:
    with server.connect(database) as connection:
        return connection.execute(query).fetchall()


def only_asked_to_wait(load: Load, others: Iterable[int] = ()) -> None:
    """Every refusal was 503, as a problem that says when to try again, and nobody waited longer than the pool allows."""
    assert {answer.status for answer in load.refusals()} <= {503, *others}, load.statuses()
    assert all(answer.problem for answer in load.refusals() if answer.status == 503)
    assert load.slowest() < 30
