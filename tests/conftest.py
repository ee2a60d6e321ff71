"""What every test stands on: a real PostgreSQL, the development issuer, and the services as they run."""

import itertools
import os
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from deploy.identity.app import create_issuer
from deploy.identity.demo import mint
from deploy.identity.keys import sign
from deploy.kafka.broker import Broker
from deploy.postgres import SERVICES, Server
from shared import migrations
from tests.harness import House, free_port
from tests.requirements import kafka_jars
from tests.shared.bus import kafka_world

os.environ["ENV"] = "development"
# A broker of a test lives for seconds: its quick compiler alone starts it with two thirds of the work.
os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1")
_numbers = itertools.count()
PROCESSES = frozenset({"system", "faults", "bench", "deploy", "bus"})


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put first what takes long, that no worker is left alone with it at the end; leave out what cannot happen to us.

    Who runs the tests is root or is not: that is no gap to be filled by installing something.
    """
    items.sort(key=takes_long, reverse=True)
    foreign = "only_user" if os.geteuid() == 0 else "only_root"
    left_out = [item for item in items if item.get_closest_marker(foreign)]
    items[:] = [item for item in items if not item.get_closest_marker(foreign)]
    config.hook.pytest_deselected(items=left_out)


def takes_long(item: pytest.Item) -> bool:
    """Whether a test stands in a folder whose tests start processes and wait for them."""
    return not PROCESSES.isdisjoint(item.nodeid.split("/"))


@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    """Let `make soak` find what has a full size: the modules that name SOAK."""
    if isinstance(item, pytest.Function) and hasattr(item.module, "SOAK"):
        item.add_marker("soak")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One PostgreSQL for all tests of this process, its four databases migrated; tests work on clones of them."""
    with Server(tmp_path_factory.mktemp("postgres") / "pg", fast=True) as running:
        running.prepare()
        for service in SERVICES:
            migrations.upgrade(service, running.url(service, "owner"))
        yield running
        running.destroy()


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One Kafka broker for all tests of this process."""
    with Broker(kafka_jars(), kafka_world.free_port(), data=tmp_path_factory.mktemp("kafka")) as running:
        yield running


@pytest.fixture(scope="session")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The development issuer on a free port: its address and its state folder."""
    state = tmp_path_factory.mktemp("identity")
    state.chmod(0o700)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    issuing = uvicorn.Server(
        uvicorn.Config(create_issuer(state, url), host="127.0.0.1", port=port, log_config=None, lifespan="off")
    )
    thread = threading.Thread(target=issuing.run, daemon=True)
    thread.start()
    while not issuing.started:
        thread.join(0.01)
    yield url, state
    issuing.should_exit = True
    thread.join(timeout=10)


@pytest.fixture
def token(issuer: tuple[str, Path]) -> Callable[..., dict[str, str]]:
    """Headers with a token: `token("mission_officer", country="TW")`, `token("service", client="intake", target="hotline")`."""

    def headers(role: str, **claims: Any) -> dict[str, str]:
        signed = service_token(issuer[1], **claims) if role == "service" else mint(issuer[1], role, **claims)
        return {"Authorization": f"Bearer {signed}"}

    return headers


def service_token(state: Path, *, client: str, target: str) -> str:
    """Sign what the issuer gives a service for a target."""
    claims = {"sub": f"service:{client}", "roles": ["service"], "client": client, "aud": target}
    return sign(state, claims, timedelta(minutes=5))


@pytest.fixture
def house(server: Server, issuer: tuple[str, Path]) -> Iterator[House]:
    """The services of one test, each on a database of its own: `house.client("hotline")`, `house.runtime("hotline")`."""
    built = House(server, issuer[0], f"t{os.getpid()}_{next(_numbers)}")
    yield built
    built.close()
