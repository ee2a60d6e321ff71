"""The recipe for a Kafka broker without Docker, run for real."""

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from deploy.kafka.broker import Broker, BrokerError, _answers, _listens, install, main
from shared.bus.kafka_brokers import Brokers
from shared.bus.kafka_topics import ensure_topics
from tests.requirements import kafka_jars, require
from tests.shared.bus.kafka_world import free_port


@pytest.fixture(scope="module")
def state() -> Path:
    return kafka_jars()


@pytest.fixture
def old_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a Java 11 first, as far as its answer to `-version` goes."""
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    return java


def test_installing_again_does_nothing(state: Path) -> None:
    before = sorted((path.name, path.stat().st_mtime_ns) for path in (state / "libs").iterdir())

    libs = install(state)

    assert libs == state / "libs"
    assert sorted((path.name, path.stat().st_mtime_ns) for path in libs.iterdir()) == before


def test_what_was_made_survives_a_kill_and_a_stop(state: Path, tmp_path: Path) -> None:
    broker = Broker(state, free_port(), data=tmp_path)

    with broker:
        asyncio.run(ensure_topics(broker.bootstrap, ["intake.events"]))
        broker.kill()
        down = _listens(broker.port)
        broker.start()
        topics = asyncio.run(_topics(broker))
    broker.stop()

    assert not down
    assert topics == ["intake.events"]
    assert not _listens(broker.port)


def test_run_becomes_the_broker_itself(state: Path, tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "libs").symlink_to(state.absolute() / "libs")
    command = [sys.executable, "-m", "deploy.kafka.broker", "run", str(tmp_path), str(port)]

    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not (_listens(port) and asyncio.run(_answers(Brokers(f"127.0.0.1:{port}")))):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.2)
        name = Path(f"/proc/{process.pid}/exe").resolve().name
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    finally:
        process.kill()
        process.wait()

    assert name == "java"


def test_a_folder_that_cannot_be_formatted_is_an_error_of_one_line(tmp_path: Path) -> None:
    require("java", "apt install openjdk-17-jre-headless")

    with pytest.raises(BrokerError, match="could not be formatted"):
        Broker(tmp_path, free_port()).start()


def test_ports_that_are_taken_are_named(broker: Broker, state: Path, tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match=f"port {broker.port} is taken"):
        Broker(state, broker.port, data=tmp_path / "same").start()
    with pytest.raises(BrokerError, match=f"port {broker.port} is taken"):
        Broker(state, broker.port - 1, data=tmp_path / "beside").start()


def test_a_broker_that_gives_up_names_its_log(state: Path, tmp_path: Path) -> None:
    broker = Broker(state, free_port(), data=tmp_path)
    broker.prepare()
    (tmp_path / "data" / "meta.properties").write_text("nonsense")

    with pytest.raises(BrokerError, match=r"did not come up on port \d+; see .*broker\.log"):
        broker.start()


def test_without_maven_the_error_is_one_line_that_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    java = require("java", "apt install openjdk-17-jre-headless")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").symlink_to(java)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    with pytest.raises(BrokerError, match=r"^the jars .* apt install maven\)$"):
        install(tmp_path / "state")


def test_without_java_the_error_is_one_line_that_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(BrokerError, match=r"^Kafka needs Java 17 .* apt install openjdk-17-jre-headless\)$"):
        install(tmp_path / "state")


@pytest.mark.usefixtures("old_java")
def test_a_java_that_is_too_old_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match="is older"):
        install(tmp_path / "state")


def test_anything_else_prints_how_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["start"])

    assert code == 2
    assert "install STATE" in capsys.readouterr().err


async def _topics(broker: Broker) -> list[str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    try:
        await admin.start()
        return sorted(await admin.list_topics())
    finally:
        await admin.close()
