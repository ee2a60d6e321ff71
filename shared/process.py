"""How a service becomes processes: its runtime from its settings, its carrier, and the frame around its worker."""

import argparse
import asyncio
import contextlib
import gc
import socket
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import uvicorn
from fastapi import FastAPI

from shared import logging
from shared.app import TELEMETRY, serve_health
from shared.bus import Carrier
from shared.bus.kafka import KafkaCarrier
from shared.bus.kafka_brokers import Brokers
from shared.crypto import Vault
from shared.db import conninfo, make_engine
from shared.events import topic_of
from shared.health import Check, checks
from shared.letters.model import DeadLetter, visible_letters
from shared.metrics import Figure, Metrics
from shared.outbox import Waker
from shared.runtime import Runtime, Visible
from shared.serve import HttpServer
from shared.settings import PeopleSettings, ServiceSettings, parse_keys
from shared.telemetry import open_tracer
from shared.worker import Worker, stop_on_signals


def vault_of(service: str, settings: ServiceSettings) -> Vault:
    """Return the keys a service was given."""
    keys = parse_keys(settings.service_keys)
    if isinstance(settings, PeopleSettings):
        return Vault(service, keys, parse_keys(settings.search_keys), parse_keys(settings.link_keys))
    return Vault(service, keys)


def open_runtime(
    service: str, settings: ServiceSettings, visible: Mapping[str, Visible], figures: Sequence[Figure] = ()
) -> Runtime:
    """Open a service's database and keys; nothing is asked of the database yet."""
    url = settings.database_url.get_secret_value()
    waker = Waker(conninfo(url))
    tracer, end_traces = open_tracer(service, settings.otlp_endpoint, settings.trace_ratio)
    return Runtime(
        service,
        settings,
        make_engine(url),
        vault_of(service, settings),
        {DeadLetter.__tablename__: visible_letters, **visible},
        waker.wake,
        tracer=tracer,
        on_close=[waker.close, end_traces],
        figures=figures,
    )


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


def freeze() -> None:
    """Let the collector forget what was made at start: it will live as long as the process."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
