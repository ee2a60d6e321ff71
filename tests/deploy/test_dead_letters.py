"""The operator's command: the same acts as over the API, without a token, in the name of whoever is at the machine."""

import json
import os
import pwd
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest

from deploy.dead_letters import main
from deploy.topology import SERVICES
from shared.bus import Record
from shared.ids import new_id
from shared.tables import audit, dead_letter
from tests.access.canaries import NAME, sightings
from tests.harness import House
from tests.shared.faults.poison import POISON
from tests.shared.letters.test_routes import accepted
from tests.system.commands import run

WHO = f"operator:{pwd.getpwuid(os.getuid()).pw_name}"


class Done(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    said: list[str]
    complained: str


@dataclass
class Machine:
    """A server: the environment names four databases, and nobody has a token."""

    house: House
    heard: pytest.CaptureFixture[str]

    def run(self, *arguments: str) -> Done:
        """Run the command to its end."""
        self.heard.readouterr()
        code = main(arguments)
        said = self.heard.readouterr()
        return Done(code, said.out.splitlines(), said.err)

    def does(self, *arguments: str) -> list[str]:
        """Run the command, which succeeds; return what it printed."""
        done = self.run(*arguments)
        assert done.code == 0, done.complained
        return done.said

    def bring(self, *records: Record, service: str = "intake") -> None:
        for record in records:
            self.house.inbox(service, delays=()).accept(record, 0)

    def states(self, service: str = "intake") -> list[str]:
        return [row["state"] for row in sorted(self.house.rows(service, dead_letter), key=lambda row: row["id"])]

    def ids(self, service: str = "intake") -> list[str]:
        rows = sorted(self.house.rows(service, dead_letter), key=lambda row: row["id"])
        return [str(row["letter_id"]) for row in rows]

    def trail(self, service: str = "intake") -> list[tuple[Any, ...]]:
        rows = self.house.rows(service, audit)
        return [(row["actor"], row["operation"], row["outcome"], row["row_id"], row["reason"]) for row in rows]


@pytest.fixture
def machine(house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Machine:
    for service in SERVICES:
        settings = house.runtime(service.name).settings
        prefix = settings.model_config.get("env_prefix") or ""
        for name, field in type(settings).model_fields.items():
            value: Any = getattr(settings, name)
            if value is not None:
                text = value.get_secret_value() if hasattr(value, "get_secret_value") else str(value)
                monkeypatch.setenv(str(field.validation_alias or f"{prefix}{name.upper()}"), text)
    monkeypatch.setenv("LOGNAME", "somebody-else")
    return Machine(house, capsys)


def test_letters_of_all_services_are_listed_with_what_may_be_told(machine: Machine) -> None:
    odd = Record("intake.events", NAME, ((NAME, NAME.encode()),), NAME.encode())
    machine.bring(accepted())
    machine.bring(odd, service="registry")

    lines = machine.does("list")

    assert [line.split()[:4] for line in lines] == [
        ["intake", machine.ids()[0], "dead", "handler:NotFound"],
        ["registry", machine.ids("registry")[0], "dead", "specversion"],
    ]
    assert not list(sightings({"lines": ["\n".join(lines).encode()]}))
    assert machine.trail("registry") == [(WHO, "list_dead_letters", "read", None, None)]


def test_keys_tell_how_many_wait(machine: Machine) -> None:
    first = accepted()
    machine.bring(first, accepted(first.key), accepted(first.key))

    [line] = machine.does("keys")

    assert line.split() == [
        "intake",
        "referral.events",
        first.key,
        "dead=1",
        "parked=2",
        "due=0",
        f"first={machine.ids()[0]}",
    ]


def test_a_letter_is_shown_as_its_route_shows_it(machine: Machine, token: Any) -> None:
    machine.bring(accepted())
    [letter_id] = machine.ids()

    printed = "\n".join(machine.does("show", letter_id)).removeprefix("intake ")

    path = f"/intake/v1/dead-letters/{letter_id}"
    assert json.loads(printed) == machine.house.client("intake").get(path, headers=token("administrator")).json()


def test_a_letter_is_replayed_in_the_name_of_whoever_is_at_the_machine(machine: Machine) -> None:
    machine.bring(accepted())
    [letter_id] = machine.ids()

    machine.does("replay", letter_id)

    assert machine.states() == ["due"]
    assert machine.trail() == [(WHO, "replay_dead_letter", "changed", letter_id, None)]


def test_all_letters_of_one_reason_are_replayed_at_once_and_no_others(machine: Machine) -> None:
    first = accepted()
    machine.bring(first, accepted(first.key), accepted(), POISON["no time"](accepted()))

    machine.does("replay", "--reason", "handler:NotFound")

    assert machine.states() == ["due", "due", "due", "dead"]


def test_a_letter_is_discarded_with_a_reason_and_a_ticket(machine: Machine) -> None:
    machine.bring(accepted())
    [letter_id] = machine.ids()

    machine.does("discard", letter_id, "handled_by_hand", "--ticket", "OPS-12")

    assert machine.states() == ["discarded"]
    assert machine.trail() == [(WHO, "discard_dead_letter", "changed", letter_id, "handled_by_hand OPS-12")]


def test_what_may_not_be_done_is_told_in_one_line_and_leaves_everything_as_it_was(machine: Machine) -> None:
    first = accepted()
    machine.bring(first, accepted(first.key))
    ahead, behind = machine.ids()

    refused = [
        machine.run("discard", ahead, "foreign"),
        machine.run("replay", behind),
        machine.run("show", str(new_id())),
    ]

    assert [done.code for done in refused] == [1, 1, 1]
    assert [done.complained.splitlines()[-1].rpartition(". ")[2] for done in refused] == [
        "reason=others_wait waiting=1",
        f"reason=earlier_letter first={ahead}",
        "baoho: Nothing is found here.",
    ]
    assert machine.states() == ["dead", "parked"]


@pytest.mark.parametrize(
    "arguments", [("discard", str(new_id()), "because"), ("discard", str(new_id()), "foreign", "--ticket", "Hằng")]
)
def test_a_reason_that_is_no_code_is_refused_before_anything_is_opened(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("usage:")


def test_without_an_environment_it_says_what_is_missing() -> None:
    done = run("deploy.dead_letters", "list")

    assert done.returncode == 2
    assert "INTAKE_DATABASE_URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_house_without_dead_letters_says_so_beside_an_empty_list(machine: Machine) -> None:
    done = machine.run("list")

    assert (done.code, done.said, done.complained) == (0, [], "no dead letters\n")
