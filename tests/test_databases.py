"""A test that is handed another's database cannot tell it from a new one."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from psycopg import OperationalError
from sqlalchemy import text

from deploy.postgres import Server
from tests.harness import House
from tests.hotline.posted import Hotline

Opener = Callable[[str], closing[House]]


@pytest.fixture
def opened(server: Server, issuer: tuple[str, Path]) -> Opener:
    """Return what opens the house of one more test."""
    return lambda name: closing(House(server, issuer[0], name))


def told(server: Server, database: str) -> dict[str, Any]:
    """Return all that could tell a test of an earlier one: pages, rows and numbers that were given out."""
    with server.connect(database) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1").fetchall()
        sizes = {
            table: connection.execute(
                f"SELECT (SELECT count(*) FROM public.{table}), pg_relation_size('public.{table}')".encode()  # noqa: S608 - a table of ours
            ).fetchone()
            for (table,) in tables
        }
        numbers = connection.execute("SELECT sequencename, last_value FROM pg_sequences ORDER BY 1").fetchall()
    return {**sizes, "numbers": numbers}


def test_a_database_that_is_handed_on_is_like_a_new_one(opened: Opener, server: Server, token: Any) -> None:
    with opened("handed_first") as house:
        database = house.database("hotline")
        new = told(server, database)
        Hotline(house, token).posted()
        with house.runtime("hotline").engine.begin() as connection:
            connection.execute(text("DELETE FROM outbox"))
        used = told(server, database)

    with opened("handed_second") as house:
        handed = house.database("hotline")

        assert handed == database
        assert told(server, handed) == new != used


def test_a_database_whose_tables_may_have_been_altered_is_not_handed_on(opened: Opener, server: Server) -> None:
    with opened("altered_first") as house:
        altered = house.database("hotline")
        house.url("hotline", "owner")

    with opened("altered_second") as house:
        assert house.database("hotline") != altered
    with pytest.raises(OperationalError, match="does not exist"):
        server.connect(altered)


def test_who_was_left_in_a_database_is_gone_when_it_is_handed_on(opened: Opener, server: Server) -> None:
    with opened("left_first") as house:
        left = house.runtime("hotline").engine.connect()
        backend = left.execute(text("SELECT pg_backend_pid()")).scalar_one()

    with server.connect() as connection:
        present = connection.execute("SELECT pid FROM pg_stat_activity WHERE pid = %s", (backend,)).fetchall()

    assert present == []
    left.invalidate()


def test_a_database_that_a_test_dropped_is_replaced(opened: Opener, server: Server) -> None:
    with opened("dropped_first") as house:
        server.drop(house.database("hotline"))

    with opened("dropped_second") as house:
        replaced = told(server, house.database("hotline"))

    assert replaced["hotline_case"] == (0, 0)
