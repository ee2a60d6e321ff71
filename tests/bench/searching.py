"""Names, numbers and lists among few and among many people, through the API; one caller at a time, so no queue is timed."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median

import httpx

from deploy.topology import INTAKE
from tests.bench.findings import Finding, Size, ratio, spread
from tests.bench.load import Load, Request, put
from tests.bench.parts import Parts, Running
from tests.bench.seeding import number_of, seeded

P95, RATIO = 20.0, 1.3
SEARCH = "/intake/v1/people/search"
DEEP = 1_000
"""The page that is far away."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One kind of question."""

    what: str
    request: Callable[[Running, str, int], Request]


def _named(name: str) -> Callable[[Running, str, int], Request]:
    return lambda _server, token, _count: Request("POST", [SEARCH], token, json.dumps({"name": name}))


def _numbered(_server: Running, token: str, count: int) -> Request:
    body = {"document": "cccd", "document_number": number_of(count // 2)}
    return Request("POST", [SEARCH], token, json.dumps(body))


def _first(_server: Running, token: str, _count: int) -> Request:
    return Request("GET", ["/intake/v1/cases"], token)


def _far(server: Running, token: str, count: int) -> Request:
    """Walk to the far page as a caller would, in pages of a hundred; a short list ends earlier."""
    path, limit = "/intake/v1/cases?limit=100", min(DEEP * 20, count // 2)
    with httpx.Client(headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=30) as client:
        for _ in range(limit // 100 or 1):
            following = client.get(server.url + path).raise_for_status().json()["next"]
            path = "/" + following.split("/", 3)[3]
    return Request("GET", [path.replace("limit=100", "limit=20")], token)


QUESTIONS = (
    Asked("name: `nguyen`", _named("nguyen")),
    Asked("name: `hang nguyen`", _named("hang nguyen")),
    Asked("name: `khuat`, rare", _named("khuat")),
    Asked("document number", _numbered),
    Asked("list of cases, page 1", _first),
    Asked(f"list of cases, page {DEEP:,}", _far),
)


def among_many(parts: Parts, size: Size) -> list[Finding]:
    """Ask everything of both databases, in turn."""
    token = parts.token("osso_officer")
    with ExitStack() as ends:
        servers = [ends.enter_context(parts.serving(INTAKE, seeded(parts, count))) for count in size.people]
        return [_asked(question, servers, token, size) for question in QUESTIONS]


def _asked(question: Asked, servers: list[list[Running]], token: str, size: Size) -> Finding:
    requests = [question.request(server[0], token, count) for server, count in zip(servers, size.people, strict=True)]
    loads: list[list[Load]] = [[], []]
    for measured in range(0 if size.warm else 1, size.rounds + 1):
        for place, (server, request) in enumerate(zip(servers, requests, strict=True)):
            load = put(server, request, seconds=max(1, size.seconds // 2), connections=1)
            if measured:  # The first round fills the caches of both.
                loads[place].append(load)
    few, many = ([load.p95 for load in side] for side in loads)
    part = ratio(many, few)
    return Finding(
        question.what,
        f"p95 {spread(many, ' ms')} among {size.people[1]:,}",
        f"{spread(few, ' ms')} among {size.people[0]:,}: × {part:.2f}",
        f"≤ {P95:.0f} ms, × ≤ {RATIO}",
        max(median(few), median(many)) <= P95 and part <= RATIO,
    )
