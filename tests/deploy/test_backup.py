"""The drill: backup, go on, destroy, restore: what was there is there, and who was erased stays erased."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from deploy import dumps
from deploy.backup import backup
from deploy.dumps import DumpError
from deploy.identity import ISSUER
from deploy.postgres import SERVICES, Server, binaries, roles
from deploy.restore import restore
from deploy.state import environment, new_key
from services.intake.models import Person
from shared import migrations
from shared.erasures import Ledgering, read
from shared.runtime import Runtime
from shared.tables import name_token, person_key
from tests.harness import House
from tests.intake.world import World
from tests.keyring import KeyRing
from tests.registry.arranged import Registry
from tests.shared.keys.busy import found, person

CHANGED = 16
"""A byte of a dump, beyond its magic."""


class Standing(House):
    """A house on the databases that backup and restore speak of, with its settings from the environment."""

    def runtime(self, service: str) -> Runtime:
        """Open a service as its process does."""
        if service not in self._runtimes:
            settings = import_module(f"services.{service}.settings").Settings()
            self._runtimes[service] = import_module(f"services.{service}.app").runtime(settings)
            self._apps[service] = None
        return self._runtimes[service]

    def close(self) -> None:
        """Stop, and leave the databases."""
        for client in self._clients.values():
            client.close()
        for runtime in self._runtimes.values():
            runtime.close()
        self._runtimes, self._apps, self._clients = {}, {}, {}


class Drill:
    """A house with its server, the ledger, and a backup made when one of three people was erased."""

    def __init__(self, server: Server, issuer: str, folder: Path, token: Any) -> None:
        self.server, self.folder, self.admin = server, folder, server.admin_url()
        self.ledger = folder / "ledger"
        self.house = Standing(server, issuer, "drill")
        self.token = token
        for service in SERVICES:
            self.house.runtime(service)

    @property
    def world(self) -> World:
        return World(self.house, self.token)

    def erase(self, case: dict[str, Any]) -> None:
        """Close a case, erase its person, and let the worker enter it in the ledger."""
        self.world.closed(case["id"])
        with self.house.session("intake") as session:
            living = session.exec(select(Person).where(Person.erased_at.is_(None)).order_by(Person.seq)).first()  # type: ignore[union-attr, arg-type]
        assert living is not None
        answer = self.world.post(f"/people/{living.id}/erase", headers=self.world.supervisor)
        assert answer.status_code == 200, answer.text
        Ledgering(self.house.runtime("intake")).enter()

    def names(self) -> list[int]:
        """Return how many are found for each of the four people of the drill."""
        return [found(self.world, name=person(number)["name"]) for number in range(4)]

    def databases(self) -> set[str]:
        with self.server.connect() as connection:
            return {row[0] for row in connection.execute("SELECT datname FROM pg_database")}


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of this module's own: what is restored takes the names of the databases."""
    with Server(tmp_path_factory.mktemp("drill") / "pg", fast=True) as running:
        running.prepare()
        for service in SERVICES:
            migrations.upgrade(service, running.url(service, "owner"))
            running.clone(service, f"empty_{service}")
        yield running
        running.destroy()


@pytest.fixture
def drill(
    own_server: Server, issuer: tuple[str, Path], tmp_path: Path, token: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Drill]:
    for service in SERVICES:
        own_server.drop(service)
        own_server.clone(f"empty_{service}", service)
    values = environment(tmp_path, own_server, public_url="http://127.0.0.1", issuer_url=issuer[0], issuer=ISSUER)
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    drilling = Drill(own_server, issuer[0], tmp_path, token)
    yield drilling
    drilling.house.close()


@pytest.fixture
def backed_up(drill: Drill) -> Drill:
    """Three people, the first erased, then a backup; the house is stopped."""
    cases = [drill.world.register(person=person(number)) for number in range(3)]
    drill.erase(cases[0])
    Registry(drill.house, drill.token).worker()
    backup(drill.admin, drill.folder / "backup")
    drill.house.close()
    return drill


def test_after_the_worst_day_everyone_is_there_who_was_in_the_backup_but_for_the_erased(drill: Drill) -> None:
    cases = [drill.world.register(person=person(number)) for number in range(3)]
    worker = Registry(drill.house, drill.token).worker()
    drill.erase(cases[0])
    backup(drill.admin, drill.folder / "backup")
    drill.world.register(person=person(3))
    drill.erase(cases[1])
    before = drill.names()
    drill.house.close()
    with drill.server.connect() as connection:
        for service in SERVICES:
            roles.drop_database(connection, service)

    applied = restore(drill.admin, drill.folder / "backup")

    assert (before, drill.names()) == ([0, 0, 1, 1], [0, 0, 1, 0])
    assert applied == {"intake": 2, "hotline": 0, "referral": 0, "registry": 0}
    shown = [drill.world.get(f"/cases/{case['id']}").json() for case in cases]
    assert [(case["erased"], case["person"] is None, case["narrative"] is None) for case in shown] == [
        (True, True, True),
        (True, True, True),
        (False, False, False),
    ]
    assert shown[2]["person"]["name"] == person(2)["name"]
    assert drill.world.told(cases[1]["id"])[-1] == "person_erased"
    keys = {row["person_id"]: row["wrapped"] for row in drill.house.rows("intake", person_key)}
    assert sorted(key is None for key in keys.values()) == [False, True, True]
    assert len({row["id"] for row in drill.house.rows("intake", name_token)}) == 1
    assert Registry(drill.house, drill.token).get(f"/workers/{worker['id']}").json()["person"] == worker["person"]
    assert all(migrations.at_head(drill.house.runtime(service).engine, service) for service in SERVICES)
    drill.world.register(person=person(3))


def test_what_is_restored_with_other_keys_is_told_by_keys_check(backed_up: Drill, monkeypatch: Any) -> None:
    restore(backed_up.admin, backed_up.folder / "backup", replace=True)

    right = KeyRing(backed_up.house).missing("intake")
    backed_up.house.close()
    monkeypatch.setenv("INTAKE_SERVICE_KEYS", f"k1:{new_key()}")
    monkeypatch.setenv("REGISTRY_SEARCH_KEYS", f"k1:{new_key()}")

    assert right == []
    assert KeyRing(backed_up.house).missing("intake") == [("service", "k1")]
    assert KeyRing(backed_up.house).missing("registry") == [("search", "k1")]


def test_backup_and_ledger_are_for_their_owner_alone_and_hold_neither_a_name_nor_a_key(backed_up: Drill) -> None:
    folder = backed_up.folder / "backup"
    ledger = backed_up.ledger / "intake.jsonl"
    plain = b""
    for service in SERVICES:
        tool = [str(binaries.installed() / "bin" / "pg_restore"), "--file=-", str(folder / f"{service}.dump")]
        plain += subprocess.run(tool, capture_output=True, check=True).stdout
    plain += (folder / dumps.MANIFEST).read_bytes() + ledger.read_bytes()

    keys = [value.partition(":")[2] for name, value in os.environ.items() if name.endswith("_KEYS")]
    assert len(read(ledger)) == 1
    assert {path.stat().st_mode & 0o777 for path in (*folder.iterdir(), ledger)} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert b"person_key" in plain
    for secret in (person(2)["name"], person(2)["document_number"], "190 triệu", *keys):
        assert secret.encode() not in plain


def altered(folder: Path) -> None:
    path = folder / "registry.dump"
    content = bytearray(path.read_bytes())
    content[CHANGED] ^= 1
    path.write_bytes(content)


def unfinished(folder: Path) -> None:
    (folder / dumps.MANIFEST).unlink()


def of_another_version(folder: Path) -> None:
    told = json.loads((folder / dumps.MANIFEST).read_text())
    (folder / dumps.MANIFEST).write_text(json.dumps({**told, "version": 99}))


def short_of_rows(folder: Path) -> None:
    """The last database to be filled is found wanting when the others stand already."""
    told = json.loads((folder / dumps.MANIFEST).read_text())
    told["parts"][-1]["rows"]["outbox"] += 1
    (folder / dumps.MANIFEST).write_text(json.dumps(told))


def without_ledger(folder: Path) -> None:
    shutil.rmtree(folder.parent / "ledger")


SPOILT = {
    altered: "not as it was written",
    unfinished: "holds no backup",
    of_another_version: "another version",
    short_of_rows: "as many rows",
    without_ledger: "not the ledger of this house",
}


def test_a_restore_that_cannot_be_whole_leaves_the_present_house_as_it_is(backed_up: Drill) -> None:
    backed_up.world.register(person=person(3))
    backed_up.house.close()
    refused = []

    for number, (spoil, told) in enumerate(SPOILT.items()):
        folder = backed_up.folder / f"spoilt{number}"
        shutil.copytree(backed_up.folder / "backup", folder)
        spoil(folder)
        with pytest.raises(DumpError, match=told):
            restore(backed_up.admin, folder, replace=True)
        refused.append(spoil)

    assert len(refused) == len(SPOILT)
    assert backed_up.names() == [0, 1, 1, 1]
    assert not {name for name in backed_up.databases() if name.endswith(("_restoring", "_replaced"))}


def test_a_house_that_runs_or_holds_something_and_an_older_backup_are_not_overwritten(backed_up: Drill) -> None:
    folder = backed_up.folder / "backup"

    with pytest.raises(DumpError, match="folder of its own"):
        backup(backed_up.admin, folder)
    with pytest.raises(DumpError, match="not empty"):
        restore(backed_up.admin, folder)
    names = backed_up.names()
    with pytest.raises(DumpError, match="stop the house"):
        restore(backed_up.admin, folder, replace=True)

    assert names == backed_up.names() == [0, 1, 1, 0]
