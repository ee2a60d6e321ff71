"""The stack's processes are forked from one that has loaded them: each is its own all the same."""

import json
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.identity.keys import ensure_key
from deploy.nursery import Forked, Nursery, NurseryError, entry
from deploy.topology import SERVICES, Process
from tests.harness import free_port
from tests.memory import holds

EVERY = [process for service in SERVICES for process in service.processes()]
DRAWING = Process("drawing", ("-m", "tests.deploy.drawing"), 0, "")
DEADLINE = 60.0


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with Nursery([*EVERY, DRAWING], tmp_path_factory.mktemp("nursery") / "log") as started:
        yield started


@pytest.fixture
def issuing(tmp_path: Path) -> Process:
    ensure_key(tmp_path)
    port = free_port()
    arguments = ("--state", str(tmp_path), "--port", str(port), "--public-url", f"http://127.0.0.1:{port}")
    return Process("identity", ("-m", "deploy.identity.serve", *arguments), port, "/identity/livez")


def forked(nursery: Nursery, process: Process, log: Path, **environment: str) -> Forked:
    with log.open("ab") as said:
        return nursery.fork(process, {**os.environ, **environment}, said)


def drawn(nursery: Nursery, log: Path, **environment: str) -> dict[str, Any]:
    forked(nursery, DRAWING, log, **environment).wait(DEADLINE)
    told: dict[str, Any] = json.loads(log.read_text())
    return told


def answering(process: Process) -> bool:
    """Wait until it answers."""
    ends = time.monotonic() + DEADLINE
    with httpx.Client(trust_env=False) as client:
        while time.monotonic() < ends:
            try:
                return client.get(f"http://127.0.0.1:{process.port}{process.ready}").is_success
            except httpx.TransportError:
                time.sleep(0.05)
    return False


@pytest.mark.parametrize("process", EVERY, ids=lambda process: process.name)
def test_each_process_of_the_stack_is_a_module_with_a_main(process: Process) -> None:
    _, name, *_ = process.arguments

    assert callable(entry(name).main)


def test_two_siblings_draw_nothing_alike(nursery: Nursery, tmp_path: Path) -> None:
    first, second = (drawn(nursery, tmp_path / name) for name in ("first", "second"))

    assert first["before"] == second["before"]
    assert [source for source, value in first["now"].items() if value == second["now"][source]] == []


def test_a_process_is_given_the_environment_it_was_forked_with_and_nothing_else(
    nursery: Nursery, tmp_path: Path
) -> None:
    told = drawn(nursery, tmp_path / "log", OWN="own")

    assert told["environment"] == {**os.environ, "OWN": "own"}


def test_a_secret_of_one_process_lies_in_the_memory_of_no_other(
    nursery: Nursery, issuing: Process, tmp_path: Path
) -> None:
    secret, later_secret = secrets.token_hex(16), secrets.token_hex(16)
    drawn(nursery, tmp_path / "earlier", SECRET=secret)
    process = forked(nursery, issuing, tmp_path / "log", SECRET=later_secret)
    assert answering(issuing)

    held = [holds(process.pid, later_secret), holds(process.pid, secret), holds(nursery.pid, secret)]
    process.terminate()
    process.wait(DEADLINE)

    assert held == [True, False, False]


def test_a_process_shows_its_own_command_line_and_ends_when_asked(
    nursery: Nursery, issuing: Process, tmp_path: Path
) -> None:
    process = forked(nursery, issuing, tmp_path / "log")
    assert answering(issuing)

    shown = Path(f"/proc/{process.pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    running = process.ended()
    process.terminate()
    process.wait(DEADLINE)

    assert tuple(word.decode() for word in shown[1:]) == issuing.arguments
    assert not running
    assert process.ended()
    assert "Finished server process" in (tmp_path / "log").read_text()


def test_a_killed_process_comes_again_at_the_same_port(nursery: Nursery, issuing: Process, tmp_path: Path) -> None:
    first = forked(nursery, issuing, tmp_path / "log")
    assert answering(issuing)
    first.kill()
    first.wait(DEADLINE)

    second = forked(nursery, issuing, tmp_path / "log")
    answered = answering(issuing)
    with pytest.raises(TimeoutError, match="still runs"):
        second.wait(0.01)
    second.kill()
    second.wait(DEADLINE)

    assert answered
    assert first.pid != second.pid


def test_a_process_that_cannot_start_has_ended_and_says_why(nursery: Nursery, tmp_path: Path) -> None:
    nameless = Process("intake-worker", ("-m", "services.intake.worker"), 0, "")

    forked(nursery, nameless, tmp_path / "log").wait(DEADLINE)

    assert "intake" in (tmp_path / "log").read_text()


def test_what_forks_runs_one_thread_and_has_no_connection_but_to_whoever_asks(nursery: Nursery, tmp_path: Path) -> None:
    drawn(nursery, tmp_path / "log")

    threads = list(Path(f"/proc/{nursery.pid}/task").iterdir())
    handles = [str(handle.readlink()) for handle in Path(f"/proc/{nursery.pid}/fd").iterdir()]

    assert len(threads) == 1
    assert len([handle for handle in handles if handle.startswith("socket:")]) == 1


def test_when_what_forks_has_ended_nothing_can_be_started(tmp_path: Path) -> None:
    ended = Nursery([DRAWING], tmp_path / "nursery")
    ended.close()

    with pytest.raises(NurseryError, match="has ended"):
        forked(ended, DRAWING, tmp_path / "log")
