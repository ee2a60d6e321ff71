"""`make run` under load: its PostgreSQL ends in every way, and comes back by itself; told to stop, it answers all it accepted."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.identity.demo import mint
from deploy.postgres import Server
from tests.faults.counting import assert_whole, only_asked_to_wait, settled
from tests.faults.load import Load, more
from tests.faults.outage import WAYS
from tests.faults.street import until
from tests.harness import free_port
from tests.shared.faults.world import SOAK, TIMEOUT
from tests.system.commands import Running

ENDS = list(WAYS.values()) * (5 if SOAK else 1)
SECONDS = 15.0
pytestmark = pytest.mark.timeout(max(TIMEOUT, 900))


@dataclass(slots=True)
class Home:
    """The state of a house on this machine, where each database bears its service's name."""

    server: Server
    state: Path

    def database(self, service: str) -> str:
        return service

    def token(self, role: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {mint(self.state / 'identity', role)}"}

    def postmaster(self) -> int:
        """Return the process id of PostgreSQL, 0 while there is none."""
        try:
            pid = int((self.server.folder / "data" / "postmaster.pid").read_text().split()[0])
            os.kill(pid, 0)
        except (OSError, IndexError, ValueError):
            return 0
        return pid


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    server = Server(tmp_path / "var" / "postgres")
    yield Home(server, tmp_path / "var")
    server.destroy()


def test_one_process_outlives_its_database_and_ends_without_dropping_anything(home: Home) -> None:
    port = free_port()
    options = ("--port", str(port), "--state", str(home.state))
    url = f"http://127.0.0.1:{port}"

    with Running("deploy.local", *options) as house:
        house.wait_for("make demo")
        with Load(url, home.token) as load:
            for way in ENDS:
                more(load)
                end_database(home, way)
                more(load)
            before, began = len(load.answers), time.monotonic()
            code = house.interrupt()
            seconds = time.monotonic() - began
    with Running("deploy.local", *options) as house:
        house.wait_for("make demo")
        settled(home, load)
        assert_whole(home, load)

    assert (code, seconds < SECONDS) == (0, True), "\n".join(house.lines[-20:])
    only_asked_to_wait(load)
    assert load.statuses()[503] > 0
    assert {answer.status for answer in load.answers[before:]} <= {0, 200, 201}


def end_database(home: Home, way: int) -> None:
    """End PostgreSQL and return when another stands in its place."""
    ended = home.postmaster()
    os.kill(ended, way)
    until(lambda: home.postmaster() not in (0, ended), "PostgreSQL is started again")
