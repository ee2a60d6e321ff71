"""`make run` and `make demo`, as a newcomer meets them."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from deploy.postgres import Server
from tests.harness import free_port
from tests.system.commands import Running, run

pytestmark = [pytest.mark.timeout(400)]


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "var"
    Server(tmp_path / "var" / "postgres").destroy()


def cases(url: str, state: Path) -> list[str]:
    token = run("deploy.identity.token", "--state", str(state / "identity"), "osso_officer").stdout.strip()
    answer = httpx.get(f"{url}/intake/v1/cases", headers={"Authorization": f"Bearer {token}"})
    return [case["reference"] for case in answer.json()["items"]]


def verified(state: Path) -> list[str]:
    """Type `make audit-verify` and return what it prints of a house without a break."""
    done = run("deploy.audit_verify", "--state", str(state))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_the_story_is_told_twice_and_the_cases_are_there_after_a_restart(state: Path) -> None:
    port = free_port()
    options = ("--port", str(port), "--state", str(state))
    url = f"http://127.0.0.1:{port}"

    with Running("deploy.local", *options) as house:
        house.wait_for("make demo")
        first = run("deploy.demo", *options)
        second = run("deploy.demo", *options)
        before = cases(url, state)
        counted = run("deploy.reconcile", "--state", str(state))
        beside = verified(state)
        home = httpx.get(url)
        code = house.interrupt()
    stopped = verified(state)
    with Running("deploy.local", *options) as house:
        house.wait_for("make demo")
        after = cases(url, state)

    assert first.returncode == 0, first.stdout + first.stderr
    assert second.returncode == 0, second.stdout + second.stderr
    assert "The story was as told." in second.stdout
    assert counted.returncode == 0, counted.stdout + counted.stderr
    assert "BROKEN" not in counted.stdout
    assert code == 0, "\n".join(house.lines[-20:])
    assert "make token" in home.text
    assert "http://" not in home.text.replace("http://127.0.0.1", "")
    assert len(before) == 2
    assert after == before
    for lines in (beside, stopped):
        assert [line.partition(":")[0] for line in lines] == ["intake", "hotline", "referral", "registry"]
        assert all(
            re.search(r": [1-9]\d* rows sealed, all whole, witnessed up to row [1-9]", line) for line in lines
        ), lines


def test_a_token_is_printed_for_each_role_and_a_second_house_is_refused(state: Path) -> None:
    port = free_port()
    with Running("deploy.local", "--port", str(port), "--state", str(state)) as house:
        house.wait_for("make demo")

        taken = run("deploy.local", "--port", str(port), "--state", str(state))
        twin = run("deploy.local", "--port", str(free_port()), "--state", str(state))
        wrong_host = httpx.get(f"http://127.0.0.1:{port}/", headers={"Host": "evil.example"})

    roles = [line.split()[0] for line in house.lines if line.startswith("  ") and "eyJ" in line]
    assert len(roles) == 13
    assert taken.returncode != 0
    assert taken.stderr.count("\n") == 1
    assert f"port {port}" in taken.stderr
    assert twin.returncode != 0
    assert twin.stderr.count("\n") == 1
    assert wrong_host.status_code == 421


def test_a_state_folder_of_another_version_gets_one_clear_line(state: Path) -> None:
    state.mkdir(mode=0o700)
    (state / "VERSION").write_text("99\n")

    refused = run("deploy.local", "--port", str(free_port()), "--state", str(state))

    assert refused.returncode != 0
    assert refused.stderr.count("\n") == 1
    assert "another version" in refused.stderr


def test_a_state_folder_that_is_a_file_gets_one_clear_line(state: Path) -> None:
    state.write_text("")

    refused = run("deploy.local", "--port", str(free_port()), "--state", str(state))

    assert refused.returncode != 0
    assert refused.stderr.count("\n") == 1


def test_broken_secrets_get_one_clear_line_and_are_kept(state: Path) -> None:
    state.mkdir(mode=0o700)
    (state / "VERSION").write_text("1\n")
    (state / "secrets.json").write_text("{half")

    refused = run("deploy.local", "--port", str(free_port()), "--state", str(state))

    assert refused.returncode != 0
    assert refused.stderr.count("\n") == 1
    assert (state / "secrets.json").read_text() == "{half"


def test_the_demo_says_what_to_start_when_nothing_runs(state: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))

        refused = run("deploy.demo", "--port", str(closed.getsockname()[1]), "--state", str(state))

    assert refused.returncode == 1
    assert "make run" in refused.stderr
