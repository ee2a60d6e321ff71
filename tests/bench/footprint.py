"""How soon the house stands and what it holds in memory, beside four bare FastAPI processes."""

import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from statistics import median

from deploy.nursery import Nursery
from deploy.topology import LOOPBACK, SERVICES, Process, Service
from tests.bench.carrying import kafka
from tests.bench.findings import Finding, Size, spread
from tests.bench.parts import Parts, Running, memory_mib
from tests.harness import free_port

SECONDS, MIB = 5.0, 600.0


def start_and_memory(parts: Parts, size: Size) -> list[Finding]:
    """Start every process of the four services at once: as the stack does, each by itself, and four bare ones."""
    with kafka(parts) as broker:
        described = [process for service in SERVICES for process in _elsewhere(service).processes()]
        forked = _stood(parts, described, {"KAFKA_BOOTSTRAP": broker.bootstrap}, size, forked=True)
        alone = _stood(parts, described, {"KAFKA_BOOTSTRAP": broker.bootstrap}, size)
    bare = _stood(parts, [_bare() for _ in SERVICES], {}, size)
    whole, start = sum(forked.memory.values()), median(forked.seconds)
    beside, held = f"four bare: {spread(bare.seconds, ' s')}", f"four bare: {_mib(sum(bare.memory.values()))}"
    return [
        Finding("start, all processes at once, warm", spread(forked.seconds, " s"), beside, "≤ 5 s", start <= SECONDS),
        Finding("the same, each by itself, as in Compose", spread(alone.seconds, " s")),
        *(
            Finding(
                f"memory of {name}",
                _mib(mib),
                f"by itself: {_mib(alone.memory[name])}" if name in alone.memory else "–",
            )
            for name, mib in forked.memory.items()
        ),
        Finding("memory in all", _mib(whole), held, f"≤ {_mib(MIB)}", whole <= MIB),
        Finding("the same, each by itself", _mib(sum(alone.memory.values()))),
    ]


@dataclass(frozen=True, slots=True)
class _Stood:
    """How long it took until all answered, round by round, and what each held then, in MiB."""

    seconds: list[float]
    memory: dict[str, float]


def _stood(parts: Parts, described: list[Process], more: dict[str, str], size: Size, *, forked: bool = False) -> _Stood:
    """Start all, wait until each answers, weigh each; as often as there are rounds."""
    times: list[float] = []
    memory: dict[str, float] = {}
    for _ in range(size.rounds):
        with ExitStack() as ends:
            began = time.perf_counter()
            nursery = ends.enter_context(Nursery(described, parts.logs / "nursery.log")) if forked else None
            running: list[Running] = parts.start(ends, described, more, nursery)
            times.append(time.perf_counter() - began)
            memory = {process.name: part.resident_mib() for process, part in zip(described, running, strict=True)}
            if nursery:
                memory["what they are forked from"] = memory_mib(nursery.pid)
    return _Stood(times, memory)


def _mib(held: float) -> str:
    return f"{held:.0f} MiB"


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
