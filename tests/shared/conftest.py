"""Two small services of their own, for the tests of outbox, inbox, carriers and the fetch loop."""

import itertools
import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from deploy.postgres import Server
from tests import databases
from tests.harness import House
from tests.shared.faults.fetching import Asker, served
from tests.shared.faults.world import CONSUMER, World, make_tables, open_runtime

_numbers = itertools.count()


@pytest.fixture(scope="session")
def two_databases(server: Server) -> Iterator[dict[str, str]]:
    """Two databases with the kit's tables, each by the service whose roles it is reached with."""
    two = {service: f"world{os.getpid()}_{service}" for service in ("hotline", "intake")}
    for service, database in two.items():
        server.clone(service, database)
        make_tables(server.url(service, "owner", database=database))
    yield two
    for database in two.values():
        server.drop(database)


@pytest.fixture
def world(server: Server, two_databases: dict[str, str]) -> Iterator[World]:
    """A counting service, under a name and with a topic of its own, and one that notes its events; nothing happened yet."""
    for database in two_databases.values():
        with server.connect(database) as connection:
            databases.empty(connection)
    urls = [server.url(service, database=database) for service, database in two_databases.items()]
    producer = open_runtime(f"count{os.getpid()}x{next(_numbers)}", urls[0], pool_size=24)
    consumer = open_runtime(CONSUMER, urls[1])
    yield World(producer, consumer)
    producer.close()
    consumer.close()


@pytest.fixture
def asker(world: World, issuer: tuple[str, Path]) -> Iterator[Asker]:
    asking = Asker(world, issuer)
    yield asking
    for runtime in asking.opened:
        runtime.close()


@pytest.fixture
def hotline(house: House) -> Iterator[str]:
    """The address of the real hotline."""
    with served(import_module("services.hotline.app").build(house.runtime("hotline"))) as url:
        yield url
