"""What goes between a driver and its server, by the driver's own trace."""

import tempfile
from collections.abc import Callable
from itertools import groupby
from typing import Any
from unittest.mock import patch

from shared.driver import Connection


def messages(connection: Connection, act: Callable[[], Any]) -> list[list[bytes]]:
    """Return the messages that went to and fro while the driver acted, by its own trace."""
    with tempfile.TemporaryFile() as trace:
        connection.pgconn.trace(trace.fileno())
        act()
        connection.pgconn.untrace()
        trace.seek(0)
        return [line.split(b"\t") for line in trace.read().splitlines() if line.count(b"\t") > 1]


def journeys(connection: Connection, act: Callable[[], Any]) -> int:
    """Count how often the driver turned from sending to reading while it acted."""
    return [direction for direction, _ in groupby(message[1] for message in messages(connection, act))].count(b"B")


def waits(connection: Connection, act: Callable[[], Any]) -> int:
    """Count how often the driver waited for its socket while it acted."""
    counted, wait = 0, connection.wait

    def passed_on(generator: Any) -> Any:
        nonlocal counted
        ready = None
        while True:
            try:
                wanted = generator.send(ready)
            except StopIteration as end:
                return end.value
            counted += 1
            ready = yield wanted

    with patch.object(connection, "wait", lambda generator: wait(passed_on(generator))):
        act()
    return counted
