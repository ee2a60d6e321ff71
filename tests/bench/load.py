"""The load: wrk, a compiled client, so that the figure is the server's and not the client's."""

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench.parts import Running

CONNECTIONS = 32
PATIENCE = 60
"""Seconds within which a machine that has much else to do answers once; a run in which it did not is made longer."""
SCRIPT = Path(__file__).with_name("load.lua")


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked, again and again: `paths` in turn; NUMBER in the body becomes eight digits, new each time."""

    method: str
    paths: Sequence[str]
    token: str
    body: str | None = None
    keyed: bool = False


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of load gave: requests per second, milliseconds, and processor milliseconds of the server per request."""

    rate: float
    p50: float
    p95: float
    p99: float
    cpu: float


def client() -> str:
    """Return wrk's path; without it there is nothing to measure with."""
    found = shutil.which("wrk")
    if found is None:
        raise SystemExit("bench: wrk is not installed (Debian: apt install wrk)")
    return found


def put(servers: Sequence[Running], request: Request, *, seconds: int, connections: int = CONNECTIONS) -> Load:
    """Load some processes with one kind of request; raise `RuntimeError` if an answer was not as asked for."""
    before = sum(server.cpu_seconds() for server in servers)
    threads = len(servers)
    command = [client(), "-t", str(threads), "-c", str(connections), "-d", f"{seconds}s", "--timeout", "10s"]
    done = subprocess.run(
        [*command, "-s", str(SCRIPT), servers[0].url],
        env={**os.environ, **_environment(servers, request)},
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stderr.strip().splitlines()[-1])
    if told["refused"] or told["broken"]:
        message = f"{told['refused']} answers were refusals and {told['broken']} connections broke: {request.paths[0]}"
        raise RuntimeError(message)
    if not told["requests"] and seconds < PATIENCE:
        return put(servers, request, seconds=2 * seconds, connections=connections)
    spent = sum(server.cpu_seconds() for server in servers) - before
    rate = told["requests"] / told["seconds"]
    return Load(rate, told["p50"], told["p95"], told["p99"], spent / max(1, told["requests"]) * 1000)


def _environment(servers: Sequence[Running], request: Request) -> dict[str, str]:
    values = {
        "BENCH_TARGETS": ",".join(urlsplit(server.url).netloc for server in servers),
        "BENCH_SEED": str(secrets.randbelow(2**31)),
        "BENCH_METHOD": request.method,
        "BENCH_PATHS": " ".join(request.paths),
        "BENCH_TOKEN": f"Bearer {request.token}",
        "BENCH_KEYED": "1" if request.keyed else "0",
    }
    return values if request.body is None else {**values, "BENCH_BODY": request.body}
