"""The frame around a process that answers no people: its loops, its way to Kafka, and a port for probes and scrapes."""

import argparse
import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import uvicorn
from fastapi import FastAPI

from shared import logging
from shared.bus import Carrier
from shared.bus.kafka import KafkaCarrier
from shared.bus.kafka_brokers import Brokers
from shared.events import topic_of
from shared.health import Check, checks
from shared.metrics import Metrics
from shared.probes import TELEMETRY, serve_health
from shared.process import freeze
from shared.runtime import Runtime
from shared.serve import HttpServer
from shared.worker import Worker, stop_on_signals


def kafka_carrier(runtime: Runtime) -> KafkaCarrier:
    """Return the way to Kafka; several processes cannot share the embedded carrier."""
    bootstrap = runtime.settings.kafka_bootstrap
    if bootstrap is None:
        message = "KAFKA_BOOTSTRAP is not set: a worker of its own needs Kafka (`make run` needs none)"
        raise SystemExit(message)
    return KafkaCarrier(
        _brokers(runtime, bootstrap),
        runtime.service,
        client_id=f"{runtime.service}-worker",
        topics=[topic_of(runtime.service)],
    )


def _brokers(runtime: Runtime, bootstrap: str) -> Brokers:
    """Return the brokers as this service may use them; only a laptop's let in whoever comes."""
    password = runtime.settings.kafka_password
    if password is not None:
        return Brokers(bootstrap, runtime.service, password.get_secret_value())
    if not runtime.settings.development:
        message = f"{runtime.service.upper()}_KAFKA_PASSWORD is not set: brokers that let in anyone are refused"
        raise SystemExit(message)
    return Brokers(bootstrap)


def run_worker(runtime: Runtime, build: Callable[[Runtime, Carrier], Worker]) -> None:
    """Run the event process until SIGTERM: `python -m services.<name>.worker --port N`."""
    carrier = kafka_carrier(runtime)
    worker = build(runtime, carrier)
    runtime.carrier_lag = lambda: carrier.lag() or 0
    run_loops(runtime, [worker.run], {"carrier": carrier.ready})


def run_loops(
    runtime: Runtime, loops: Sequence[Callable[[asyncio.Event], Coroutine[Any, Any, None]]], more: Mapping[str, Check]
) -> None:
    """Run loops of a service beside an internal port that answers `livez`, `readyz` and `metrics`."""
    parser = argparse.ArgumentParser(description=f"A background process of the {runtime.service} service.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True, help="the internal port for livez, readyz and metrics")
    arguments = parser.parse_args()
    logging.configure(runtime.service)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run_loops(runtime, loops, more, arguments.host, arguments.port))


async def _run_loops(
    runtime: Runtime,
    loops: Sequence[Callable[[asyncio.Event], Coroutine[Any, Any, None]]],
    more: Mapping[str, Check],
    host: str,
    port: int,
) -> None:
    stop = stop_on_signals()
    app = FastAPI(openapi_url=None, telemetry=TELEMETRY)
    app.state.runtime, app.state.metrics = runtime, Metrics()
    serve_health(app, "", {**checks(runtime), **more})
    server = InternalServer(uvicorn.Config(app, host=host, port=port, log_config=None, access_log=False))
    freeze()
    serving = asyncio.create_task(server.serve())
    try:
        async with asyncio.TaskGroup() as group:
            for loop in (*loops, server.exit_on):
                group.create_task(loop(stop))
    finally:
        server.should_exit = True
        await serving
        runtime.close()


class InternalServer(HttpServer):
    """A server inside a process that handles signals itself; `answering` is set once it takes requests."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answering = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self.answering.set()

    async def exit_on(self, stop: asyncio.Event) -> None:
        """Take no more requests once `stop` is set."""
        await stop.wait()
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        """Leave the signals to the process."""
        yield
