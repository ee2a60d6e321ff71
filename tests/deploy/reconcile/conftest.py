"""Four databases after an honest journey, and a copy of them for each fault that is planted."""

import itertools
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from deploy.identity.demo import mint
from deploy.postgres import SERVICES, Server
from deploy.reconcile.counting import Line, reconcile
from shared.clock import now
from shared.db import conninfo
from tests.access.journey import Journey
from tests.access.listening import Listener, ListeningHouse
from tests.conftest import service_token

_numbers = itertools.count()

Names = dict[str, str]
"""The database of each service."""


@pytest.fixture(scope="session")
def played(server: Server, issuer: tuple[str, Path]) -> Iterator[Names]:
    """Play the whole journey once, through the real routes, handlers and appliers; nobody is connected any more."""

    def token(role: str, **claims: Any) -> dict[str, str]:
        signed = service_token(issuer[1], **claims) if role == "service" else mint(issuer[1], role, **claims)
        return {"Authorization": f"Bearer {signed}"}

    name = f"reconciled{os.getpid()}_{next(_numbers)}"
    house = ListeningHouse(server, issuer[0], name)
    for service in SERVICES:
        house.runtime(service)
    Journey(Listener(house, token)).play()
    for service in SERVICES:
        house.runtime(service).close()
    yield {service: house.database(service) for service in SERVICES}
    house.close()


class Planted:
    """The databases of one test: as they were played, but those that something is planted in."""

    def __init__(self, server: Server, played: Names) -> None:
        self._server = server
        self._names = dict(played)
        self._copies: list[str] = []

    def do(self, service: str, *statements: str) -> list[str]:
        """Do this to a service's database as nobody may; return the first column of the last statement's rows."""
        if self._names[service] not in self._copies:
            copy = f"{self._names[service]}_{next(_numbers)}"
            self._server.clone(self._names[service], copy)
            self._names[service] = copy
            self._copies.append(copy)
        with self._server.connect(self._names[service]) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
            return [str(row[0]) for row in cursor.fetchall()] if cursor.description else []

    def addresses(self) -> Names:
        """Return where the databases are, for the role the services run with."""
        return {service: conninfo(self._server.url(service, "app", name)) for service, name in self._names.items()}

    def count(self, later: timedelta = timedelta(days=1)) -> dict[str, Line]:
        """Count every invariant, by default as it looks a day later, when nothing that was played is young."""
        return {line.name: line for line in reconcile(self.addresses(), now() + later)}

    def broken(self) -> dict[str, list[str]]:
        """Return the ids that each line calls broken."""
        return {name: line.ids for name, line in self.count().items() if line.broken}

    def in_flight(self, later: timedelta = timedelta(days=1)) -> dict[str, int]:
        """Return how many each line calls in flight."""
        return {name: line.in_flight for name, line in self.count(later).items() if line.in_flight}

    def close(self) -> None:
        """Drop what was copied."""
        for copy in self._copies:
            self._server.drop(copy)


@pytest.fixture
def planted(server: Server, played: Names) -> Iterator[Planted]:
    """Databases of a test's own to plant faults in."""
    made = Planted(server, played)
    yield made
    made.close()
