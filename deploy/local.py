"""`make run`: all four services and the development issuer in one process, on embedded PostgreSQL and the embedded carrier."""

import argparse
import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import uvicorn

from deploy import seed, welcome
from deploy.front import Front
from deploy.identity import ISSUER
from deploy.identity.app import create_issuer
from deploy.postgres import Server, ServerError
from deploy.state import StateError, environment, make_folder, open_state
from deploy.topology import LOOPBACK, SERVICES
from services.referral.dispatcher import Dispatcher
from shared import logging, migrations
from shared.background import InternalServer
from shared.bus.embedded import EmbeddedBus, EmbeddedCarrier, SecondProcessError
from shared.logging import get_logger
from shared.process import freeze
from shared.runtime import Runtime
from shared.serve import ANSWER_SECONDS
from shared.wire import HttpProtocol
from shared.worker import Worker, stop_on_signals

PORT = 8000
KEEPING_SECONDS = 0.5
WORKER_THREADS = 32
"""Four workers wait in threads for their databases and for each other's answers."""

log = get_logger("local")


def main() -> None:
    """Run until Ctrl-C; what stands in the way is told in one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=PORT)
    parser.add_argument("--state", type=Path, default=Path("var"))
    arguments = parser.parse_args()
    began = time.monotonic()
    try:
        with _listen(arguments.port) as listener:
            _run(open_state(arguments.state), listener, began)
    except (StateError, ServerError, SecondProcessError, PortInUseError) as error:
        raise SystemExit(f"baoho: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


class PortInUseError(Exception):
    """Something else listens there."""


def _listen(port: int) -> socket.socket:
    """Take the port before anything is started, so that a taken one costs nothing."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
    except OSError as error:
        listener.close()
        message = f"port {port} cannot be used ({error.strerror}); choose another: make run PORT={port + 1}"
        raise PortInUseError(message) from error
    return listener


def _run(state: Path, listener: socket.socket, began: float) -> None:
    public_url = f"http://{LOOPBACK}:{listener.getsockname()[1]}"
    os.environ["ENV"] = "development"
    make_folder(state / "identity")
    issuer = create_issuer(state / "identity", public_url)
    with Server(state / "postgres") as database:
        database.prepare()
        settings = environment(state, database, public_url=public_url, issuer_url=public_url, issuer=ISSUER)
        os.environ.update(settings)
        logging.configure("baoho")
        runtimes = {service.name: _runtime(service.name, settings[service.owner_setting]) for service in SERVICES}
        seed.sow(runtimes)
        asyncio.run(
            _serve(
                runtimes,
                issuer,
                listener,
                database=database,
                public_url=public_url,
                ready=lambda: welcome.show(public_url, state, seconds=time.monotonic() - began, note=database.note),
            )
        )


def _runtime(service: str, owner_url: str) -> Runtime:
    """Open a service and bring its database to head where it is not."""
    runtime: Runtime = _part(service, "runtime").runtime(_part(service, "settings").Settings())
    if not migrations.at_head(runtime.engine, service):
        migrations.upgrade(service, owner_url)
    return replace(runtime, shares_process=True)


def _part(service: str, module: str) -> Any:
    return import_module(f"services.{service}.{module}")


async def _serve(
    runtimes: dict[str, Runtime],
    issuer: Any,
    listener: socket.socket,
    *,
    database: Server,
    public_url: str,
    ready: Any,
) -> None:
    stop = stop_on_signals()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(WORKER_THREADS))
    apps = {name: _part(name, "app").build(runtime) for name, runtime in runtimes.items()}
    front = Front({**apps, "identity": issuer}, public_url)
    config = uvicorn.Config(
        front,
        http=HttpProtocol,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=ANSWER_SECONDS,
        proxy_headers=False,
    )
    server = InternalServer(config)
    async with AsyncExitStack() as stack:
        for app in apps.values():
            await stack.enter_async_context(app.router.lifespan_context(app))
        await stack.enter_async_context(_working(runtimes, database, stop))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await server.answering.wait()
        freeze()
        ready()
        await stop.wait()
        server.should_exit = True
        await serving


@asynccontextmanager
async def _working(runtimes: dict[str, Runtime], database: Server, stop: asyncio.Event) -> AsyncIterator[None]:
    """Run every service's worker, and referral's dispatcher, beside the answers; and keep the database running."""
    bus, workers = _workers(runtimes)
    loops = [worker.run for worker in workers] + [Dispatcher(runtimes["referral"]).run, partial(_keep, database)]
    async with asyncio.TaskGroup() as group:
        for loop in loops:
            group.create_task(loop(stop))
        yield
        stop.set()
    bus.close()


async def _keep(database: Server, stop: asyncio.Event) -> None:
    """Start PostgreSQL again whenever it has ended: it is ours, and nobody else would."""
    while not stop.is_set():
        if database.pid is None:
            try:
                await asyncio.to_thread(database.start)
            except ServerError as error:
                log.error("database_not_started", reason=str(error))
        with suppress(TimeoutError):
            async with asyncio.timeout(KEEPING_SECONDS):
                await stop.wait()


def _workers(runtimes: dict[str, Runtime]) -> tuple[EmbeddedBus, Sequence[Worker]]:
    builders = {name: _part(name, "worker").build for name in runtimes}
    consumers = {name: build(runtimes[name], None) for name, build in builders.items()}
    bus = EmbeddedBus(
        {name: runtime.engine for name, runtime in runtimes.items()},
        {name: worker.topics() for name, worker in consumers.items()},
        {name: worker.ignored() for name, worker in consumers.items()},
    )
    bus.open()
    return bus, [build(runtimes[name], EmbeddedCarrier(bus, name)) for name, build in builders.items()]


if __name__ == "__main__":
    main()
