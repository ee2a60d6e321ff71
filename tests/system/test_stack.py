"""The journey on the real parts: PostgreSQL over TCP, Apache Kafka, nginx, a process for each service and role."""

import json
import os
import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from deploy import gateway
from deploy.demo.receiver import Receiver
from deploy.demo.story import Story
from deploy.kafka import broker
from deploy.stack import Stack
from deploy.state import open_state, secrets_of
from deploy.topology import SERVICES
from tests.memory import holds
from tests.requirements import missing
from tests.system.chaos.ears import Ears
from tests.system.chaos.reckoning import messages, owed, rows
from tests.system.chaos.storm import Plan, Storm, at_rest
from tests.system.commands import run

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800 if os.environ.get("SOAK") == "1" else 600)]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    try:
        gateway.find_nginx()
        broker.install(broker.STATE)
    except (gateway.GatewayError, broker.BrokerError) as error:
        missing(f"the stack is not tested: {error}")
    built = Stack(open_state(tmp_path_factory.mktemp("stack") / "stack"))
    with built:
        yield built
    built.database.destroy()


class Interrupted(Story):
    """The same story, with the broker killed when the office asks its partners, and back when it has asked."""

    broker: broker.Broker

    def _consent_and_referrals(self) -> None:
        self.broker.kill()
        super()._consent_and_referrals()
        self.broker.start()


def test_the_story_is_told_on_the_real_parts(stack: Stack) -> None:
    with httpx.Client(base_url=stack.public_url, timeout=30) as client, Receiver() as receiver:
        Story(client, stack.state, receiver).play()


def test_the_story_is_told_while_the_broker_is_killed_and_restarted(stack: Stack) -> None:
    with httpx.Client(base_url=stack.public_url, timeout=30) as client, Receiver() as receiver:
        story = Interrupted(client, stack.state, receiver)
        story.broker = stack.broker

        story.play()


def test_the_gateway_hides_metrics_and_the_services_trust_only_it(stack: Stack) -> None:
    with httpx.Client(base_url=stack.public_url) as client:
        hidden = client.get("/intake/metrics")
        unknown = client.get("/nothing/here")

    assert hidden.status_code == 404
    assert hidden.headers["content-type"] == "application/problem+json"
    assert unknown.json()["type"] == "urn:baoho:problem:not-found"


def test_every_trail_is_sealed_and_witnessed_and_only_the_workers_hold_the_keys(stack: Stack) -> None:
    verified = run("deploy.audit_verify", "--state", str(stack.state))
    keys = [value for name, value in secrets_of(stack.state).items() if name.endswith("_AUDIT_KEYS")]
    holders = {name for name, process in stack.processes.items() if any(holds(process.pid, key) for key in keys)}

    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert len(re.findall(r"[1-9]\d* rows sealed, all whole, witnessed up to row [1-9]", verified.stdout)) == len(
        SERVICES
    )
    assert holders == {f"{service.name}-worker" for service in SERVICES}


def test_no_process_is_started_without_its_secrets_in_files_for_its_owner_alone(stack: Stack) -> None:
    open_files = [path for path in Path(stack.state).rglob("*") if path.is_file() and path.stat().st_mode & 0o077]

    assert [path.name for path in open_files if path.name.endswith((".json", ".pem"))] == []


def test_nothing_but_the_gateway_is_reached_from_outside_this_machine(stack: Stack) -> None:
    """Whoever listens on every address also answers at another one of loopback."""
    parts = [process.port for process in stack.described()] + [stack.database.port, stack.broker.port]

    reached = [port for port in parts if port is not None and answers("127.0.0.2", port)]

    assert [port for port in parts if port is not None and not answers("127.0.0.1", port)] == []
    assert reached == []


def test_a_process_is_given_no_password_and_no_key_of_another(stack: Stack) -> None:
    secret = {name: value for name, value in secrets_of(stack.state).items() if "AUDIT" in name or "KAFKA" in name}

    for process in stack.described():
        pid = stack.processes[process.name].pid
        held = {name for name, value in secret.items() if holds(pid, value)}
        assert held == set(process.own_settings) & set(secret), process.name


def answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=5).close()
    except OSError:
        return False
    return True


def test_every_journey_ends_as_told_and_everything_happened_once_while_parts_are_killed(stack: Stack) -> None:
    before, earlier = rows(stack), set(messages(stack))
    with Ears() as ears:
        told = Storm(stack, ears, Plan.of_this_run()).rage()
        lines = at_rest(stack)
    sys.stdout.write(f"chaos: {told}\n")

    assert told.failures == [], "\n".join(told.failures)
    assert told.rude == []
    assert {line.name: line.as_dict() for line in lines if line.in_flight or line.broken} == {}
    assert len(told.finished) == told.begun > 0
    assert rows(stack) - before == owed(told.finished)
    sent = {id_: what for id_, what in messages(stack).items() if id_ not in earlier}
    heard = {id_: {_about(body) for body in bodies} for id_, bodies in ears.heard.items()}
    assert heard == {id_: {what} for id_, what in sent.items()}
    assert ears.refused == 0


def _about(body: bytes) -> tuple[str, str]:
    message = json.loads(body)
    return message["data"]["referral_id"], message["type"]
