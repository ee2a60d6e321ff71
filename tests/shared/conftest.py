"""Two small services of their own, for the tests of outbox, inbox and carriers."""

import itertools
import os
from collections.abc import Iterator

import pytest

from deploy.postgres import Server
from tests.shared.faults.world import CONSUMER, World, make_tables, open_runtime

_numbers = itertools.count()


@pytest.fixture
def world(server: Server) -> Iterator[World]:
    """A counting service and one that notes its events, each on a fresh database with the kit's tables."""
    name = f"count{os.getpid()}x{next(_numbers)}"
    databases = {"hotline": name, "intake": f"{name}_{CONSUMER}"}
    for template, database in databases.items():
        server.clone(template, database)
        make_tables(server.url(template, "owner", database=database))
    producer = open_runtime(name, server.url("hotline", database=name), pool_size=24)
    consumer = open_runtime(CONSUMER, server.url("intake", database=databases["intake"]))
    yield World(producer, consumer)
    producer.close()
    consumer.close()
    for database in databases.values():
        server.drop(database)
