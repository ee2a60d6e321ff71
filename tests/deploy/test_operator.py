"""An operator's command reaches the databases and keys of a house that runs, of one that does not, and of a server."""

import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from deploy.identity import ISSUER
from deploy.operator import operator_environment, parser, runtimes
from deploy.postgres import Server, ServerError, place, reached
from deploy.postgres.folders import MARK
from deploy.state import StateError, environment, open_state
from deploy.topology import SERVICES
from shared.db import conninfo
from tests.harness import free_port


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A house that ran once, on a Unix socket, and was stopped."""
    folder = open_state(tmp_path_factory.mktemp("operator") / "var")
    with Server(folder / "postgres") as database:
        database.prepare()
        environment(folder, database, public_url="http://127.0.0.1", issuer_url="http://127.0.0.1", issuer=ISSUER)
    yield folder
    Server(folder / "postgres").destroy()


def who_answers(service: str) -> str:
    with psycopg.connect(conninfo(os.environ[f"{service.upper()}_DATABASE_URL"])) as connection:
        row = connection.execute("SELECT current_user || ' ' || current_database()").fetchone()
    return str(row and row[0])


def runs(state: Path) -> bool:
    return place.is_held(Server(state / "postgres").folder / MARK)


def test_databases_that_do_not_run_are_started_and_stopped_again(state: Path) -> None:
    with operator_environment(state):
        answers = [who_answers(service.name) for service in SERVICES]

    assert answers == [f"{service.name}_app {service.name}" for service in SERVICES]
    assert not runs(state)


def test_databases_that_run_on_a_socket_are_reached_and_left_running(state: Path) -> None:
    with Server(state / "postgres") as running:
        with operator_environment(state):
            answer = who_answers("intake")

        assert answer == "intake_app intake"
        assert running.pid is not None


def test_databases_that_run_on_a_port_are_reached_there(state: Path) -> None:
    with Server(state / "postgres", free_port()) as running:
        with operator_environment(state):
            address = os.environ["INTAKE_DATABASE_URL"]
            answer = who_answers("intake")

        assert f"127.0.0.1:{running.port}" in address
        assert answer == "intake_app intake"
        assert running.pid is not None


def test_the_services_open_with_the_keys_of_the_house(state: Path) -> None:
    with operator_environment(state), runtimes() as opened:
        found = {}
        for name, runtime in opened.items():
            with runtime.engine.connect() as connection:
                found[name] = connection.execute(text("SELECT current_database()")).scalar_one()

    assert found == {service.name: service.name for service in SERVICES}


def test_the_environment_is_as_it_was_afterwards(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTAKE_DATABASE_URL", "another")
    before = dict(os.environ)

    with operator_environment(state):
        assert os.environ["INTAKE_DATABASE_URL"] != "another"

    assert dict(os.environ) == before


def test_without_a_state_folder_the_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTAKE_DATABASE_URL", "the server's own")

    with operator_environment(parser("A command.").parse_args([]).state):
        assert os.environ["INTAKE_DATABASE_URL"] == "the server's own"


def test_a_folder_in_which_no_house_ran_is_named_and_left_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=str(tmp_path)), operator_environment(tmp_path / "var"):
        pass

    assert list(tmp_path.iterdir()) == []


def test_no_empty_database_is_made_where_there_was_none(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="no database"), reached(tmp_path / "postgres"):
        pass

    assert list(tmp_path.iterdir()) == []
