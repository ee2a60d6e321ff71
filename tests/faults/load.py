"""Careful callers under whom parts are broken: each repeats what was refused, with the same key, until it is done."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import UUID

import httpx

from shared.ids import new_id
from tests.faults.street import until
from tests.specimen import CASE

CALLERS = 6
PAUSE = 0.1
"""Seconds between the requests of one caller: enough load to be in the middle of something, and no race for the cores."""
TIMEOUT = 120.0
MORE = 20
MISSION, OPERATOR = "mission_officer", "hotline_operator"
STEPS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    (MISSION, "", CASE),
    (OPERATOR, "/{case}/triage", {"priority": "p1"}),
    (OPERATOR, "/{case}/hand-over", {"office": "osso-ha-noi"}),
)
"""How a case is posted, triaged and handed over."""

Token = Callable[[str], dict[str, str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one request: a status, or the name of the error where no answer came."""

    method: str
    status: int
    error: str
    seconds: float
    problem: bool
    """A problem+json that says when to try again."""


@dataclass(slots=True)
class Journey:
    """One case on its way, the key of each step, and what the steps answered."""

    reference: str = field(default_factory=lambda: str(new_id()))
    keys: tuple[str, ...] = field(default_factory=lambda: tuple(str(new_id()) for _ in STEPS))
    step: int = 0
    case: str = ""

    @property
    def finished(self) -> bool:
        return self.step == len(STEPS)


class Load(AbstractContextManager["Load"]):
    """Callers at work from the beginning of the block to its end, `keeping` of them on kept connections, the others on new ones."""

    def __init__(self, url: str, token: Token, *, keeping: int = CALLERS // 2) -> None:
        self._url = url
        self._headers = {role: token(role) for role in (MISSION, OPERATOR)}
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.journeys: list[Journey] = []
        self.answers: list[Answer] = []
        self._threads = [threading.Thread(target=self._call, args=(number < keeping,)) for number in range(CALLERS)]
        self._threads.append(threading.Thread(target=self._read, args=(keeping > 0,)))

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(TIMEOUT)

    @property
    def done(self) -> int:
        """How many requests succeeded so far."""
        return sum(answer.status in (200, 201) for answer in list(self.answers))

    def statuses(self, method: str = "") -> Counter[int]:
        """Count the statuses; 0 stands for a connection refused, -1 for one that ended without an answer."""
        return Counter(answer.status for answer in list(self.answers) if method in ("", answer.method))

    def refusals(self) -> list[Answer]:
        """Return the answers that were neither what was asked for nor a refused connection."""
        return [answer for answer in list(self.answers) if answer.status not in (0, 200, 201)]

    def slowest(self) -> float:
        """Return the seconds of the longest request."""
        return max(answer.seconds for answer in list(self.answers))

    def finish(self) -> None:
        """Bring every journey to its end."""
        with self._client(keep=True) as client:
            deadline = time.monotonic() + TIMEOUT
            for journey in self.journeys:
                while not journey.finished:
                    assert time.monotonic() < deadline, Counter(answer.status for answer in self.answers[-50:])
                    self._go_on(client, journey)

    def cases(self) -> set[UUID]:
        """Return the ids under which the cases are known to who posted them."""
        return {UUID(journey.case) for journey in self.journeys if journey.case}

    def _client(self, *, keep: bool) -> httpx.Client:
        limits = httpx.Limits(max_keepalive_connections=None if keep else 0)
        return httpx.Client(base_url=self._url, timeout=TIMEOUT, trust_env=False, limits=limits)

    def _call(self, keep: bool) -> None:
        with self._client(keep=keep) as client:
            while not self._stop.is_set():
                journey = self._next()
                while not journey.finished and not self._stop.is_set():
                    self._go_on(client, journey)

    def _next(self) -> Journey:
        journey = Journey()
        with self._lock:
            self.journeys.append(journey)
        return journey

    def _go_on(self, client: httpx.Client, journey: Journey) -> None:
        role, path, body = STEPS[journey.step]
        headers = {**self._headers[role], "Idempotency-Key": journey.keys[journey.step]}
        sent = {**body, "reference": journey.reference} if journey.step == 0 else body
        address = "/hotline/v1/cases" + path.format(case=journey.case)
        answer, content = self._ask(client, "POST", address, json=sent, headers=headers)
        self._stop.wait(PAUSE)
        if answer.status not in (200, 201):
            return
        assert journey.case in ("", content["id"])
        journey.case = content["id"]
        journey.step += 1

    def _read(self, keep: bool) -> None:
        with self._client(keep=keep) as client:
            while not self._stop.is_set():
                self._ask(client, "GET", "/hotline/v1/cases?limit=1", headers=self._headers[OPERATOR])
                self._stop.wait(PAUSE)

    def _ask(self, client: httpx.Client, method: str, address: str, **options: Any) -> tuple[Answer, Any]:
        began, content, problem, error = time.monotonic(), None, False, ""
        try:
            answer = client.request(method, address, **options)
        except httpx.ConnectError as refused:
            status, error = 0, type(refused).__name__
        except httpx.TransportError as torn:
            status, error = -1, type(torn).__name__
        else:
            status, content = answer.status_code, answer.json()
            problem = answer.headers["content-type"] == "application/problem+json" and "retry-after" in answer.headers
        told = Answer(method, status, error, time.monotonic() - began, problem)
        self.answers.append(told)
        return told, content


def more(load: Load) -> None:
    """Wait until the callers get on."""
    done = load.done
    until(lambda: load.done >= done + MORE, "callers get on")
