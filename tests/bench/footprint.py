"""How soon the house stands and what it holds in memory, beside four bare FastAPI processes."""

import time
from contextlib import ExitStack
from dataclasses import replace
from statistics import median

from deploy.topology import LOOPBACK, SERVICES, Process, Service
from tests.bench.carrying import kafka
from tests.bench.findings import Finding, Size, spread
from tests.bench.parts import Parts, Running
from tests.harness import free_port

SECONDS, MIB = 5.0, 600.0


def start_and_memory(parts: Parts, size: Size) -> list[Finding]:
    """Start every process of the four services at once, and again four bare ones."""
    with kafka(parts) as broker:
        described = [process for service in SERVICES for process in _elsewhere(service).processes()]
        seconds, memory = _stood(parts, described, {"KAFKA_BOOTSTRAP": broker.bootstrap}, size)
    bare_seconds, bare_memory = _stood(parts, [_bare() for _ in SERVICES], {}, size)
    whole, bare = sum(memory.values()), sum(bare_memory.values())
    start = spread(seconds, " s")
    return [
        Finding(
            "start, all processes at once, warm",
            start,
            f"four bare: {spread(bare_seconds, ' s')}",
            "≤ 5 s",
            median(seconds) <= SECONDS,
        ),
        *(Finding(f"memory of {name}", f"{held:.0f} MiB") for name, held in memory.items()),
        Finding("memory in all", f"{whole:.0f} MiB", f"four bare: {bare:.0f} MiB", f"≤ {MIB:.0f} MiB", whole <= MIB),
    ]


def _stood(
    parts: Parts, described: list[Process], more: dict[str, str], size: Size
) -> tuple[list[float], dict[str, float]]:
    """Start all, wait until each answers, weigh each; as often as there are rounds."""
    times: list[float] = []
    memory: dict[str, float] = {}
    for _ in range(size.rounds):
        with ExitStack() as ends:
            began = time.perf_counter()
            running: list[Running] = parts.start(ends, described, more)
            times.append(time.perf_counter() - began)
            memory = {process.name: part.resident_mib() for process, part in zip(described, running, strict=True)}
    return times, memory


def _elsewhere(service: Service) -> Service:
    dispatcher = free_port() if service.dispatcher_port else None
    return replace(service, api_port=free_port(), worker_port=free_port(), dispatcher_port=dispatcher)


def _bare() -> Process:
    port = free_port()
    arguments = (
        "-m",
        "uvicorn",
        "tests.bench.smallest:app",
        "--host",
        LOOPBACK,
        "--port",
        str(port),
        "--no-access-log",
    )
    return Process(f"bare-{port}", arguments, port, "/")
