"""A complaint posted to one process beside the bare handler, and to two processes beside one."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median

from deploy.topology import INTAKE, LOOPBACK, Process
from tests.bench.complaint import posting, record
from tests.bench.findings import Finding, Size, ratio, spread
from tests.bench.load import Load, Request, put
from tests.bench.parts import Parts, Running
from tests.harness import free_port

RATIO, P99 = 0.4, 60.0
"""Targets: the part of the bare handler's rate, and milliseconds."""


def beside_bare(parts: Parts, size: Size) -> list[Finding]:
    """Measure the real route and the bare handler, in turn, on databases of the same kind."""
    with ExitStack() as ends:
        database = ends.enter_context(parts.fresh("intake"))
        sides = {
            "ours": ends.enter_context(parts.serving(INTAKE, database)),
            "bare": [ends.enter_context(bare(parts, database, record(parts, database)))],
        }
        loads = in_turn(sides, posting(parts), size)
    ours, limit = loads["ours"], loads["bare"]
    rates = [load.rate for load in ours], [load.rate for load in limit]
    part, p99 = ratio(*rates), median(load.p99 for load in ours)
    return [
        Finding(
            "`POST` complaint, one process, 32 connections",
            spread(rates[0], " requests/s"),
            f"bare psycopg {spread(rates[1], ' requests/s')}",
            f"≥ {RATIO} of it",
            part >= RATIO,
        ),
        Finding("its part of the bare handler", f"{part:.2f}", target=f"≥ {RATIO}", met=part >= RATIO),
        Finding("its p99", _p99(ours), f"bare {_p99(limit)}", f"≤ {P99:.0f} ms", p99 <= P99),
        Finding("its processor time for a request", _cpu(ours), f"bare {_cpu(limit)}"),
    ]


def growth(parts: Parts, size: Size) -> list[Finding]:
    """Measure one and two processes in turn."""
    with parts.fresh("intake") as database, parts.serving(INTAKE, database, count=2) as both:
        loads = in_turn({"one": both[:1], "two": both}, posting(parts), size)
    one, two = ([load.rate for load in loads[name]] for name in ("one", "two"))
    return [
        Finding("`POST` complaint, 1 process", spread(one, " requests/s")),
        Finding("`POST` complaint, 2 processes", spread(two, " requests/s"), f"× {ratio(two, one):.2f}"),
    ]


def in_turn(sides: Mapping[str, list[Running]], request: Request, size: Size) -> dict[str, list[Load]]:
    """Load each side in turn, A B A B, after a round that warms both and counts for neither."""
    loads: dict[str, list[Load]] = {name: [] for name in sides}
    for servers in sides.values() if size.warm else ():
        put(servers, request, seconds=size.seconds)
    for _ in range(size.rounds):
        for name, servers in sides.items():
            loads[name].append(put(servers, request, seconds=size.seconds))
    return loads


@contextmanager
def bare(parts: Parts, database: str, recorded: Path) -> Iterator[Running]:
    """Run the bare handler on what was recorded: the same server with the same arguments."""
    service = replace(INTAKE, api_port=free_port())
    arguments = tuple(
        part.replace("services.intake.app", "tests.bench.bare") for part in service.api(LOOPBACK).arguments
    )
    surroundings = {
        "INTAKE_DATABASE_URL": parts.database.url("intake", database=database),
        "BENCH_RECORDED": str(recorded),
    }
    with parts.running(Process("bare", arguments, service.api_port, "/readyz"), surroundings) as running:
        yield running


def _p99(loads: list[Load]) -> str:
    return spread([load.p99 for load in loads], " ms")


def _cpu(loads: list[Load]) -> str:
    return spread([load.cpu for load in loads], " ms")
