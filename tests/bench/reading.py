"""One case read, and lists of twenty out of few and of many, names opened, beside what the peer's service did."""

import json
from contextlib import ExitStack

import httpx

from deploy.topology import INTAKE
from tests.bench.complaint import record_reading
from tests.bench.findings import Finding, Size, ratio, spread
from tests.bench.load import Request
from tests.bench.parts import Parts, Running
from tests.bench.posting import bare, in_turn
from tests.bench.seeding import seeded

FASTER = 1.5
PEER = {"case": 1_790, "few": 583, "many": 59}
"""Requests per second of Aselo HRM, run by us on 2 cores, one process, 32 connections (2026-08)."""
CASES, SEARCH = "/intake/v1/cases", "/intake/v1/people/search"
READ = 50


def beside_peer(parts: Parts, size: Size) -> list[Finding]:
    """Read cases one by one, list them, and list people with their names opened; each in turn with the bare handler."""
    token = parts.token("osso_officer")
    few, many = size.cases
    with ExitStack() as ends:
        servers = {count: ends.enter_context(parts.serving(INTAKE, seeded(parts, count))) for count in size.cases}
        one = Request("GET", _paths(servers[many], token), token)
        read, read_bare = _beside_bare(parts, {many: servers[many]}, one, size)
        listed, listed_bare = _beside_bare(parts, servers, Request("GET", [CASES], token), size)
        named, named_bare = _beside_bare(
            parts, servers, Request("POST", [SEARCH], token, json.dumps({"name": "nguyen"})), size
        )
    return [
        _beside("`GET` a case by its id", read[many], PEER["case"]),
        _least(read[many], read_bare),
        _beside(f"list of 20 out of {few:,} cases", listed[few], PEER["few"]),
        _beside(f"list of 20 out of {many:,} cases", listed[many], PEER["many"]),
        _least(listed[many], listed_bare),
        _beside(f"20 people with names opened, out of {few:,}", named[few], PEER["few"]),
        _beside(f"20 people with names opened, out of {many:,}", named[many], PEER["many"]),
        _least(named[many], named_bare),
        Finding("that list, many beside few", f"× {ratio(named[many], named[few]):.2f}", "flat is × 1"),
    ]


def _paths(servers: list[Running], token: str) -> list[str]:
    """Return the addresses of some cases."""
    page = httpx.get(
        f"{servers[0].url}{CASES}?limit={READ}",
        headers={"Authorization": f"Bearer {token}"},
        trust_env=False,
        timeout=30,
    )
    return [f"{CASES}/{case['id']}" for case in page.raise_for_status().json()["items"]]


def _beside_bare(
    parts: Parts, ours: dict[int, list[Running]], request: Request, size: Size
) -> tuple[dict[int, list[float]], list[float]]:
    """Return what we do in a second among so many, and what the bare handler does that sends the same statements."""
    most = seeded(parts, max(ours))
    with bare(parts, most, record_reading(parts, most, request)) as limit:
        loads = in_turn({**{str(count): servers for count, servers in ours.items()}, "bare": [limit]}, request, size)
    rates = {name: [load.rate for load in found] for name, found in loads.items()}
    return {count: rates[str(count)] for count in ours}, rates["bare"]


def _least(ours: list[float], least: list[float]) -> Finding:
    figure = spread(least, " requests/s")
    return Finding("the same statements by the bare handler", figure, f"ours {ratio(ours, least):.2f} of it")


def _beside(what: str, rates: list[float], peer: int) -> Finding:
    times = ratio(rates, [peer])
    figure = spread(rates, " requests/s")
    return Finding(what, figure, f"peer {peer:,}: × {times:.1f}", f"≥ × {FASTER}", times >= FASTER)
