"""A real Apache Kafka broker as a child process: jars from Maven, one data folder, killed and restarted at will.

python -m deploy.kafka.broker install STATE          resolve the jars into STATE/libs, once
python -m deploy.kafka.broker run STATE [PORT]       run in the foreground until SIGTERM
"""

import asyncio
import base64
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from string import Template
from types import TracebackType
from typing import Self

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from deploy.kafka import access
from deploy.kafka.access import ADMIN
from deploy.maven import Recipe, java
from shared.bus.kafka_brokers import Brokers

HERE = Path(__file__).parent
STATE = HERE.parents[1] / "var" / "kafka"
PORT = 19092
START_SECONDS = 60.0
STOP_SECONDS = 30.0


class BrokerError(RuntimeError):
    """The broker cannot be installed or run here; the message is one line and says what to do."""


RECIPE = Recipe("Kafka", HERE / "pom.xml", "copy-dependencies", BrokerError)


def installed(state: Path) -> bool:
    """Whether `state/libs` holds the jars that the present pom.xml asks for."""
    return RECIPE.installed(state / "libs")


def install(state: Path) -> Path:
    """Resolve the broker's jars (44 MB) into `state/libs` and return that folder; do nothing when they are there."""
    return RECIPE.install(state / "libs")


class Broker:
    """One broker, its own controller, on 127.0.0.1:`port` (the controller on `port` + 1), over one data folder.

    `state` holds the jars (see `install`); `data` is the broker's own folder, by default one per port beneath `state`.
    With `passwords`, by user, it lets nobody else in, and nobody but `ADMIN` may do anything until rights are given
    (deploy/kafka/access.py). The same folder may be started again after `stop` or `kill`: what was acknowledged is still there.
    """

    def __init__(
        self, state: Path, port: int = PORT, *, data: Path | None = None, passwords: Mapping[str, str] | None = None
    ) -> None:
        self.port = port
        self.bootstrap = f"127.0.0.1:{port}"
        self.passwords = dict(passwords or {})
        self.folder = (data or state / f"broker-{port}").absolute()
        self.libs = (state / "libs").absolute()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return when the broker answers; raise `BrokerError` when it does not within a minute, or its ports are taken."""
        if taken := [port for port in (self.port, self.port + 1) if _listens(port)]:
            message = f"port {taken[0]} is taken; end what listens there, or give another"
            raise BrokerError(message)
        command = self.prepare()
        with (self.folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True
            )
        deadline = time.monotonic() + START_SECONDS
        while not (_listens(self.port) and asyncio.run(_answers(self.admin))):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                message = f"the broker did not come up on port {self.port}; see {self.folder / 'broker.log'}"
                raise BrokerError(message)
            time.sleep(0.2)

    def stop(self) -> None:
        """End the broker as an operator would (SIGTERM); kill it when that takes longer than half a minute."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
            self._process = None
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the broker as a power cut would (SIGKILL)."""
        self.signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
        self._process = None

    def signal(self, number: signal.Signals) -> None:
        """Send the broker a signal, such as SIGSTOP for one that hangs with its connections open."""
        if self._process is not None:
            self._process.send_signal(number)

    @property
    def admin(self) -> Brokers:
        """The broker as its administrator reaches it."""
        return self.as_user(ADMIN) if self.passwords else Brokers(self.bootstrap)

    def as_user(self, name: str) -> Brokers:
        """Return the broker as one of its users reaches it."""
        return Brokers(self.bootstrap, name, self.passwords[name])

    def prepare(self) -> list[str]:
        """Write the configuration, format the data folder when it is new, and return the broker's command line."""
        data = self.folder / "data"
        scratch = self.folder / "tmp"
        scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        properties = self.folder / "server.properties"
        properties.touch(mode=0o600)
        properties.write_text(self.configuration(data))
        base = [java("Kafka", BrokerError), "-XX:+UseSerialGC", f"-Djava.io.tmpdir={scratch}"]
        base += [f"-Dlog4j2.configurationFile={HERE / 'log4j2.properties'}", "-cp", f"{self.libs}/*"]
        if not (data / "meta.properties").exists():
            self._format([*base, "kafka.tools.StorageTool", "format", "-t", _cluster_id(), "-c", str(properties)])
        return [
            base[0],
            "-Xms256m",
            "-Xmx512m",
            "-XX:MaxDirectMemorySize=128m",
            *base[1:],
            "kafka.Kafka",
            str(properties),
        ]

    def configuration(self, data: Path) -> str:
        """Return the broker's properties; they hold the passwords."""
        template = Template((HERE / "server.properties.template").read_text())
        ports = {"port": self.port, "controller_port": self.port + 1}
        return template.substitute(data=data, **ports, **access.properties(self.passwords))

    def _format(self, command: list[str]) -> None:
        """Make the folder a broker's; StorageTool refuses to format one with data in it."""
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode != 0:
            reason = (ran.stdout + ran.stderr).strip().splitlines() or ["no reason given"]
            message = f"the data folder of Kafka could not be formatted: {reason[-1]}"
            raise BrokerError(message)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _listens(port: int) -> bool:
    """Whether the port is open: asked first, because the client logs an error for every refusal."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


async def _answers(brokers: Brokers) -> bool:
    """Whether a broker knows its cluster."""
    admin = AIOKafkaAdminClient(**brokers.options, request_timeout_ms=5_000)
    try:
        await admin.start()
        cluster = await admin.describe_cluster()
    except (KafkaError, OSError, TimeoutError):
        return False
    finally:
        await admin.close()
    return bool(cluster["brokers"])


def _cluster_id() -> str:
    """Return a random id in the form Kafka wants: 16 bytes, base64url, 22 characters."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "_")


def main(arguments: list[str]) -> int:
    """Install or run, as the module's first sentences say; answer 2 to anything else."""
    match arguments:
        case ["install", state]:
            print(install(Path(state)))
        case ["run", state, *rest] if len(rest) <= 1:
            install(Path(state))
            command = Broker(Path(state), int(rest[0]) if rest else PORT).prepare()
            # The broker takes this process over, so that its id is the broker's and SIGTERM reaches it.
            os.execv(command[0], command)
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BrokerError as error:
        sys.exit(str(error))
