"""The processes of several services on one database server and one broker, each started, killed and watched by name."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from deploy.identity.clients import client_secret, ensure_clients
from deploy.postgres import Server
from deploy.topology import SERVICES, Process
from shared.settings import ServiceSettings
from tests.harness import House, free_port

PATIENCE = 180.0
"""Seconds until something must have happened; generous, and no measure of speed."""
PROCESSES = {process.name: (service.name, process) for service in SERVICES for process in service.processes()}


class Street(House):
    """A house whose services run as they do on a server: `street.start("hotline", "intake-worker")`."""

    def __init__(self, server: Server, issuer: tuple[str, Path], bootstrap: str, logs: Path) -> None:
        super().__init__(server, issuer[0], f"street{os.getpid()}")
        self.server = server
        self._identity = issuer[1]
        self._bootstrap = bootstrap
        self._logs = logs
        self.ports = {name: free_port() for name in PROCESSES}
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        ensure_clients(self._identity)

    def settings(self, service: str, **changes: Any) -> ServiceSettings:
        """Return a service's settings: it knows the broker, the others, and its own secret at the issuer."""
        addresses = {f"{each.name}_url": self.url_of(each.name) for each in SERVICES}
        own = {"client_secret": client_secret(self._identity, service), "kafka_bootstrap": self._bootstrap}
        settings: ServiceSettings = super().settings(service, **{**addresses, **own, **changes})
        return settings

    def url_of(self, name: str) -> str:
        """Return where a process answers."""
        return f"http://127.0.0.1:{self.ports[name]}"

    def start(self, *names: str) -> None:
        """Start processes and return when all are ready."""
        for name in names:
            service, process = PROCESSES[name]
            environment = {**os.environ, **_variables(service, self.runtime(service).settings)}
            command = [sys.executable, *_at(process, self.ports[name])]
            with (self._logs / f"{name}.log").open("ab") as log:
                self.running[name] = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        for name in names:
            until(lambda name=name: self.is_ready(name), f"{name} is ready")

    def is_ready(self, name: str) -> bool:
        """Whether a process answers that it is ready."""
        return self.probe(name, "readyz") == httpx.codes.OK

    def probe(self, name: str, what: str) -> int:
        """Return the status with which a process answers a probe; 0 where nobody answers."""
        path = PROCESSES[name][1].ready.replace("readyz", what)
        try:
            return httpx.get(self.url_of(name) + path, timeout=30, trust_env=False).status_code
        except httpx.TransportError:
            return 0

    def terminate(self, name: str) -> tuple[int, float]:
        """Send SIGTERM; return how the process ended and how many seconds it took."""
        process = self.running.pop(name)
        began = time.monotonic()
        process.terminate()
        code = process.wait(PATIENCE)
        return code, time.monotonic() - began

    def ended(self) -> list[str]:
        """Return the processes that ended by themselves."""
        return [name for name, process in self.running.items() if process.poll() is not None]

    def log(self, name: str) -> str:
        """Return what a process said."""
        return (self._logs / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def close(self) -> None:
        """End every process, and let the databases go."""
        for process in self.running.values():
            process.send_signal(signal.SIGTERM)
        for process in self.running.values():
            process.wait(PATIENCE)
        super().close()


def until(reached: Any, what: str, patience: float = PATIENCE) -> None:
    """Wait until `reached()`."""
    deadline = time.monotonic() + patience
    while not reached():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.05)


def _at(process: Process, port: int) -> list[str]:
    return [str(port) if argument == str(process.port) else argument for argument in process.arguments]


def _variables(service: str, settings: ServiceSettings) -> dict[str, str]:
    """Write settings as the environment that says the same."""
    said = {}
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        if value is not None:
            said[str(field.validation_alias or f"{service}_{name}".upper())] = text
    return said
