"""The four databases as they stood at one instant each: read only, streamed, nothing sealed is opened."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import Any

import psycopg

PAGE = 5_000
"""Rows that travel at a time: memory stays flat however many there are."""


class Snapshot:
    """One database in one repeatable read, so that all questions are about the same instant."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        self._connection = connection
        self._numbers = count()
        connection.execute("SELECT 1")  # The first statement is the instant.

    def rows(self, query: str) -> Iterator[tuple[Any, ...]]:
        """Stream what a query of ours finds."""
        with self._connection.cursor(name=f"reconcile_{next(self._numbers)}") as cursor:
            cursor.itersize = PAGE
            cursor.execute(query.encode())
            yield from cursor

    def number(self, query: str) -> int:
        """Return the one number that a query counts."""
        row = self._connection.execute(query.encode()).fetchone()
        return int(row[0]) if row else 0


@contextmanager
def snapshots(addresses: Mapping[str, str]) -> Iterator[dict[str, Snapshot]]:
    """Open a snapshot of each service's database, one right after the other; raises `psycopg.Error`."""
    with ExitStack() as stack:
        connections = {
            service: stack.enter_context(psycopg.connect(address, connect_timeout=5))
            for service, address in addresses.items()
        }
        yield {service: Snapshot(connection) for service, connection in connections.items()}
