"""`make stack`: the real parts as separate processes, without Docker: PostgreSQL, Kafka, nginx, the issuer, the services."""

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Self

import httpx

from deploy import topology, welcome
from deploy.gateway import Gateway, GatewayError
from deploy.identity import ISSUER
from deploy.identity.keys import ensure_key
from deploy.kafka.broker import STATE as KAFKA_STATE
from deploy.kafka.broker import Broker, BrokerError, install
from deploy.nursery import Forked, Nursery, NurseryError
from deploy.postgres import Server, ServerError
from deploy.state import StateError, bus_passwords, environment, make_folder, open_state
from deploy.topology import (
    GATEWAY_PORT,
    IDENTITY_PORT,
    KAFKA_ADMIN_SETTING,
    KAFKA_PORT,
    LOOPBACK,
    POSTGRES_PORT,
    SERVICES,
    Process,
)

READY_SECONDS = 90.0
STOP_SECONDS = 20.0
ISSUER_PROCESS = "identity"


class StackError(Exception):
    """A part did not start; the text is one line for a person."""


class Stack:
    """The whole house as it runs on a server, on this machine; parts can be killed and started again by name."""

    _nursery: Nursery

    def __init__(self, state: Path) -> None:
        self.state = state
        self.public_url = f"http://{LOOPBACK}:{GATEWAY_PORT}"
        self.database = Server(state / "postgres", POSTGRES_PORT)
        self.broker = Broker(KAFKA_STATE, KAFKA_PORT, data=state / "kafka", passwords=bus_passwords(state))
        passes = {topology.IDENTITY: topology.ISSUER_PASSES}
        self.gateway = Gateway(state / "gateway", GATEWAY_PORT, topology.stack_upstreams(), passes=passes)
        self.processes: dict[str, Forked] = {}
        self._environment: dict[str, str] = {}
        self._parts = ExitStack()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start every part and return when all are ready; raise what they raise, or `StackError`."""
        make_folder(self.state / "logs")
        ensure_key(make_folder(self.state / "identity"))
        install(KAFKA_STATE)
        # It loads while the others start.
        self._nursery = self._parts.enter_context(Nursery(self.described(), self.state / "logs" / "nursery.log"))
        self._parts.callback(self.database.stop)
        self.database.start()
        self.database.prepare()
        self._parts.callback(self.broker.stop)
        with ThreadPoolExecutor(1) as beside:
            starting = beside.submit(self.broker.start)
            self._environment = self._settings()
            self._once("migrations", topology.MIGRATE)
            self._once("seed", ("-m", "deploy.seed"))
            starting.result()
        self._once("kafka-access", topology.KAFKA_ACCESS)
        self._parts.callback(self._stop_processes)
        for process in self.described():
            self.launch(process)
        self._parts.callback(self.gateway.stop)
        self.gateway.start()
        self.wait_ready()

    def stop(self) -> None:
        """Stop every part, the gateway first and the database last."""
        self._parts.close()

    def described(self) -> list[Process]:
        """Return every process of ours."""
        issuer = ("-m", "deploy.identity.serve", "--state", str(self.state / "identity"), "--port", str(IDENTITY_PORT))
        issuing = Process(
            ISSUER_PROCESS, (*issuer, "--public-url", self.public_url), IDENTITY_PORT, f"/{topology.IDENTITY}/livez"
        )
        return [issuing, *(process for service in SERVICES for process in service.processes())]

    def launch(self, process: Process) -> None:
        """Start one process; what it says goes to a log file of its own."""
        log = (self.state / "logs" / f"{process.name}.log").open("ab")
        others = {setting for each in self.described() for setting in each.own_settings}
        kept_back = {*others, KAFKA_ADMIN_SETTING}.difference(process.own_settings)
        given = {name: value for name, value in self._environment.items() if name not in kept_back}
        with log:
            self.processes[process.name] = self._nursery.fork(process, {**os.environ, **given}, log)

    def wait_ready(self) -> None:
        """Return when every process answers its readiness path with 200; raise `StackError` naming who does not."""
        waiting = {process.name: process for process in self.described()}
        deadline = time.monotonic() + READY_SECONDS
        with httpx.Client(timeout=2, trust_env=False) as client:
            while waiting:
                for process in list(waiting.values()):
                    if _is_ready(client, process):
                        del waiting[process.name]
                    elif self.processes[process.name].ended() or time.monotonic() > deadline:
                        message = f"{process.name} did not start: see {self.state / 'logs' / process.name}.log"
                        raise StackError(message)
                time.sleep(0.05)

    def _settings(self) -> dict[str, str]:
        values = environment(
            self.state,
            self.database,
            public_url=self.public_url,
            issuer_url=f"http://{LOOPBACK}:{IDENTITY_PORT}",
            issuer=ISSUER,
        )
        addresses = {f"{service.name.upper()}_URL": f"http://{LOOPBACK}:{service.api_port}" for service in SERVICES}
        return {
            **values,
            **addresses,
            "KAFKA_BOOTSTRAP": f"{LOOPBACK}:{KAFKA_PORT}",
            "TRUSTED_PROXIES": LOOPBACK,
        }

    def _once(self, name: str, arguments: tuple[str, ...]) -> None:
        """Run something to its end before the services start."""
        command = [sys.executable, *arguments]
        done = subprocess.run(command, env={**os.environ, **self._environment}, capture_output=True, check=False)
        if done.returncode:
            log = self.state / "logs" / f"{name}.log"
            log.write_bytes(done.stdout + done.stderr)
            message = f"{name} failed: see {log}"
            raise StackError(message)

    def _stop_processes(self) -> None:
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for process in self.processes.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except TimeoutError:
                process.kill()
                process.wait()


def _is_ready(client: httpx.Client, process: Process) -> bool:
    try:
        return client.get(f"http://{LOOPBACK}:{process.port}{process.ready}").status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def main() -> None:
    """Run the stack until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, default=Path("var/stack"))
    arguments = parser.parse_args()
    began = time.monotonic()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: _halt(stop, _frame))
    try:
        with Stack(open_state(arguments.state)) as stack:
            welcome.show(stack.public_url, stack.state, seconds=time.monotonic() - began, note=stack.database.note)
            stop.wait()
            print("stopping ...", flush=True)
    except (StackError, StateError, ServerError, BrokerError, GatewayError, NurseryError) as error:
        raise SystemExit(f"baoho: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _halt(stop: threading.Event, _frame: FrameType | None) -> None:
    """A second Ctrl-C, or one before everything stands, ends at once what has begun."""
    if stop.is_set():
        raise KeyboardInterrupt
    stop.set()


if __name__ == "__main__":
    main()
