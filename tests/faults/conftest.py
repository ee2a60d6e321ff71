"""A street of real processes, on a database server of its own that may be restarted."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.identity.demo import mint
from deploy.kafka.broker import Broker
from deploy.postgres import Server
from shared import migrations
from tests.faults.disk import Disk, small_disk
from tests.faults.partner import Partner
from tests.faults.street import Street
from tests.harness import free_port
from tests.referral.partners import Partners

APART = ("hotline", "hotline-worker", "intake-worker", "referral-dispatcher")
"""An API process, two workers and the dispatcher: between them they do everything that any process does."""


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disk | None]:
    """The disk of the database, where it can be one of its own."""
    with small_disk(tmp_path_factory.mktemp("disk")) as mounted:
        yield mounted


@pytest.fixture(scope="module")
def database(disk: Disk | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """PostgreSQL over TCP, migrated."""
    folder = disk.folder if disk else tmp_path_factory.mktemp("faults")
    with Server(folder / "pg", free_port(), fast=True) as running:
        running.prepare()
        for service in ("hotline", "intake", "referral"):
            migrations.upgrade(service, running.url(service, "owner"))
        yield running
        running.destroy()


@pytest.fixture(scope="module")
def street(
    database: Server, issuer: tuple[str, Path], broker: Broker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Street]:
    built = Street(database, issuer, broker.bootstrap, tmp_path_factory.mktemp("logs"))
    try:
        built.start(*APART)
        yield built
    finally:
        built.close()


@pytest.fixture(scope="module")
def listening() -> Iterator[Partner]:
    with Partner() as one:
        yield one


@pytest.fixture(scope="module")
def partners(street: Street, issuer: tuple[str, Path], listening: Partner) -> Partners:
    """The people who use referral, and a shelter that is told of referrals at the partner's address."""

    def token(role: str, **claims: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {mint(issuer[1], role, **claims)}"}

    listed = Partners(street, token)
    listed.shelter(beds=5000)
    listed.endpoint(listening.url)
    return listed


@pytest.fixture
def partner(listening: Partner) -> Partner:
    """The partner, who remembers nothing of an earlier test."""
    listening.told.clear()
    listening.seconds = 0.0
    return listening
