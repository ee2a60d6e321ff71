"""The fetch loop over real HTTP: details come once, an owner that is away is asked again for ever, nothing personal stays."""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import pytest
import uvicorn
from sqlalchemy import RowMapping, select
from sqlmodel import Session
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deploy.identity.clients import client_secret
from deploy.postgres import Server
from shared.clock import now
from shared.contracts.hotline import HandOverDetails
from shared.errors import NotFound
from shared.fetch import DELAYS, LEASE, Fetcher, ReadModel, ask
from shared.ids import new_id
from shared.runtime import Runtime
from shared.tables import audit, fetch
from tests.harness import House, free_port
from tests.hotline.test_routes import CASE
from tests.shared.bus.kafka_world import until
from tests.shared.faults import fetch_process
from tests.shared.faults.outage import shut
from tests.shared.faults.world import ACT, World, note_hand_over, open_runtime

CANARY = "Nguyễn Thị Hằng"
APPLY = {HandOverDetails: note_hand_over}
NARRATIVE = len(CASE["narrative"])
WRONG_SECRET = secrets.token_urlsafe(32)
Token = Callable[..., dict[str, str]]


class Answer(ReadModel):
    """What a strange owner answers; which answer, the path says."""

    owner: ClassVar[str] = "referral"
    path: ClassVar[str] = "/answers/{kind}"

    number: int


class Asker:
    """A service that asks the others, on the consuming database of a world and with its own identity."""

    def __init__(self, world: World, issuer: tuple[str, Path]) -> None:
        self._settings: dict[str, str] = {
            "oidc_token_url": f"{issuer[0]}/identity/token",
            "client_secret": client_secret(issuer[1], "intake"),
        }
        self._url = world.consumer.settings.database_url.get_secret_value()
        self.opened: list[Runtime] = []

    def runtime(self, **changes: str) -> Runtime:
        self.opened.append(open_runtime("intake", self._url, **{**self._settings, **changes}))
        return self.opened[-1]

    def environment(self, **changes: str) -> str:
        return json.dumps({"url": self._url, **self._settings, **changes})


@pytest.fixture
def asker(world: World, issuer: tuple[str, Path]) -> Iterator[Asker]:
    asking = Asker(world, issuer)
    yield asking
    for runtime in asking.opened:
        runtime.close()


@contextlib.contextmanager
def served(app: Any, port: int | None = None) -> Iterator[str]:
    """Serve an app over HTTP until the end of the block; yield its address."""
    port = port or free_port()
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(timeout=10)


@pytest.fixture
def hotline(house: House) -> Iterator[str]:
    """The address of the real hotline."""
    with served(import_module("services.hotline.app").build(house.runtime("hotline"))) as url:
        yield url


def post_case(house: House, token: Token, *, hand_over: bool = True) -> UUID:
    """Have a case posted, and handed over; return its id."""
    client, body = house.client("hotline"), {**CASE, "reference": str(new_id())}
    case = client.post("/hotline/v1/cases", json=body, headers=token("mission_officer")).json()["id"]
    if hand_over:
        path = f"/hotline/v1/cases/{case}"
        client.post(f"{path}/triage", json={"priority": "p0"}, headers=token("hotline_operator"))
        answer = client.post(f"{path}/hand-over", json={"office": "osso-ha-noi"}, headers=token("hotline_operator"))
        assert answer.status_code == 200, answer.text
    return UUID(case)


def want(runtime: Runtime, wanted: type[ReadModel], **params: object) -> None:
    with runtime.session(ACT) as session:
        ask(session, wanted, **params)
        session.commit()


def rows(world: World) -> list[RowMapping]:
    with world.consumer.engine.connect() as connection:
        return list(connection.execute(select(fetch).order_by(fetch.c.id)).mappings())


def let_time_pass(world: World) -> None:
    """Make every fetch due, as it would be by itself after its delay or its lease."""
    with world.consumer.engine.begin() as connection:
        connection.execute(fetch.update().values(due_at=now()))


def test_details_arrive_over_http_and_are_applied_once(
    house: House, world: World, asker: Asker, hotline: str, token: Token
) -> None:
    case = post_case(house, token)
    fetcher = Fetcher(asker.runtime(hotline_url=hotline), APPLY)
    want(asker.opened[0], HandOverDetails, hotline_case_id=case)

    applied = [fetcher.fetch_due(), fetcher.fetch_due()]

    [row] = rows(world)
    reads = [entry for entry in house.rows("hotline", audit) if entry["operation"] == "fetch_hand_over"]
    assert applied == [1, 0]
    assert world.effects() == [(str(case), NARRATIVE)]
    assert row["done_at"] is not None
    assert row["last_problem"] is None
    assert [(entry["actor"], entry["outcome"]) for entry in reads] == [("service:intake", "read")]
    assert reads[0]["correlation_id"] == ACT.correlation_id


def test_an_owner_that_is_away_is_asked_again_ever_later_and_never_given_up(
    house: House, world: World, asker: Asker, token: Token
) -> None:
    case, port = post_case(house, token), free_port()
    fetcher = Fetcher(asker.runtime(hotline_url=f"http://127.0.0.1:{port}"), APPLY)
    want(asker.opened[0], HandOverDetails, hotline_case_id=case)
    delays = []

    for _ in range(len(DELAYS) + 2):
        let_time_pass(world)
        asked_at = now()
        assert fetcher.fetch_due() == 0
        delays.append((rows(world)[0]["due_at"] - asked_at).total_seconds())
    failed = rows(world)[0]
    let_time_pass(world)
    with served(import_module("services.hotline.app").build(house.runtime("hotline")), port):
        applied = fetcher.fetch_due()

    for delay, expected in zip(delays, [*DELAYS, DELAYS[-1], DELAYS[-1]], strict=True):
        assert 0.8 * expected <= delay < 1.2 * expected + 60
    assert (failed["attempts"], failed["last_problem"], failed["done_at"]) == (len(DELAYS) + 2, "ConnectError", None)
    assert applied == 1
    assert world.effects() == [(str(case), NARRATIVE)]
    assert rows(world)[0]["last_problem"] is None


def test_what_the_owner_does_not_show_us_is_postponed_as_not_found(
    house: House, world: World, asker: Asker, hotline: str, token: Token
) -> None:
    case = post_case(house, token, hand_over=False)
    fetcher = Fetcher(asker.runtime(hotline_url=hotline), APPLY)
    want(asker.opened[0], HandOverDetails, hotline_case_id=case)

    assert fetcher.fetch_due() == 0

    assert problems(world) == ["http_404"]
    assert world.effects() == []


STRANGE: dict[str, tuple[Response, str]] = {
    "forbidden": (Response(CANARY, 403), "http_403"),
    "broken": (Response(CANARY, 500), "http_500"),
    "moved": (Response(CANARY, 302, {"Location": "http://127.0.0.1:9/"}), "http_302"),
    "garbage": (Response(f"<html>{CANARY}</html>"), "ValidationError"),
    "other": (Response(json.dumps({"number": CANARY})), "ValidationError"),
    "list": (Response("[1]"), "ValidationError"),
    "bytes": (Response(b"\xff\xfe"), "ValidationError"),
}


def strange_owner(request: Request) -> Response:
    return STRANGE[request.path_params["kind"]][0]


def test_refusals_and_garbage_are_postponed_with_a_code_and_without_what_they_said(
    world: World, asker: Asker, caplog: pytest.LogCaptureFixture
) -> None:
    with served(Starlette(routes=[Route("/answers/{kind}", strange_owner)])) as url:
        fetcher = Fetcher(asker.runtime(referral_url=url), {Answer: refuse_to_apply})
        for kind in STRANGE:
            want(asker.opened[0], Answer, kind=kind)
        applied = fetcher.fetch_due()

    assert applied == 0
    assert problems(world) == [problem for _, problem in STRANGE.values()]
    assert all(row["attempts"] == 1 and row["done_at"] is None for row in rows(world))
    assert CANARY not in f"{[dict(row) for row in rows(world)]}{caplog.text}"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [({"client_secret": WRONG_SECRET}, "http_401"), ({"oidc_token_url": "http://127.0.0.1:9/token"}, "ConnectError")],
)
def test_without_a_token_of_its_own_nothing_is_asked(
    world: World, asker: Asker, changes: dict[str, str], problem: str
) -> None:
    fetcher = Fetcher(asker.runtime(referral_url="http://127.0.0.1:9", **changes), {Answer: refuse_to_apply})
    want(asker.opened[0], Answer, kind="forbidden")

    assert fetcher.fetch_due() == 0

    assert problems(world) == [problem]


def test_one_whose_details_cannot_be_applied_waits_and_the_others_go_on(
    world: World, asker: Asker, caplog: pytest.LogCaptureFixture
) -> None:
    numbers: list[int] = []

    def apply(session: Session, details: Answer, params: dict[str, str]) -> None:
        if params["kind"] == "gone":
            raise NotFound
        if params["kind"] == "refused":
            session.connection().exec_driver_sql("INSERT INTO effect(counter_id, number) VALUES (NULL, 1)")
        if params["kind"] == "broken":
            raise TypeError(CANARY)
        numbers.append(details.number)

    with served(Starlette(routes=[Route("/answers/{kind}", lambda _: Response('{"number": 7}'))])) as url:
        fetcher = Fetcher(asker.runtime(referral_url=url), {Answer: apply})
        for kind in ("gone", "refused", "broken", "sound"):
            want(asker.opened[0], Answer, kind=kind)
        applied = fetcher.fetch_due()

    assert applied == 1
    assert numbers == [7]
    assert problems(world) == ["NotFound", "IntegrityError", "TypeError", None]
    assert CANARY not in caplog.text


def test_two_workers_at_once_apply_nothing_twice(
    house: House, world: World, asker: Asker, hotline: str, token: Token
) -> None:
    cases = [post_case(house, token) for _ in range(8)]
    fetchers = [Fetcher(asker.runtime(hotline_url=hotline), APPLY) for _ in range(2)]
    for case in cases:
        want(asker.opened[0], HandOverDetails, hotline_case_id=case)

    async def story() -> list[int]:
        return await asyncio.gather(*(asyncio.to_thread(fetcher.fetch_due) for fetcher in fetchers))

    applied = asyncio.run(story())

    assert sum(applied) == len(cases)
    assert sorted(world.effects()) == sorted((str(case), NARRATIVE) for case in cases)


@pytest.mark.parametrize("late_answer", ['{"number": 7}', "garbage"])
def test_a_worker_that_outlives_its_lease_changes_nothing_that_another_has_done(
    world: World, asker: Asker, late_answer: str
) -> None:
    """The first request is answered only when the second, made after the lease had run out, is applied."""
    asked, applied_by_other, numbers = threading.Event(), threading.Event(), list[int]()

    def owner(_request: Request) -> Response:
        if asked.is_set():
            return Response('{"number": 7}')
        asked.set()
        applied_by_other.wait(60)
        return Response(late_answer)

    def apply(session: Session, details: Answer, params: dict[str, str]) -> None:  # noqa: ARG001
        numbers.append(details.number)

    async def story(url: str) -> list[int]:
        first, second = (Fetcher(asker.runtime(referral_url=url), {Answer: apply}) for _ in range(2))
        want(asker.opened[0], Answer, kind="slow")
        slow = asyncio.create_task(asyncio.to_thread(first.fetch_due))
        await until(asked.is_set, "the first has asked")
        while_leased = await asyncio.to_thread(second.fetch_due)
        let_time_pass(world)
        after_lease = await asyncio.to_thread(second.fetch_due)
        applied_by_other.set()
        return [while_leased, after_lease, await slow]

    with served(Starlette(routes=[Route("/answers/{kind}", owner)])) as url:
        applied = asyncio.run(story(url))

    assert applied[:2] == [0, 1]
    assert numbers == [7]
    assert problems(world) == [None]


def test_a_worker_killed_while_it_applies_leaves_it_to_the_next_when_its_lease_ends(
    house: House, world: World, asker: Asker, hotline: str, token: Token
) -> None:
    case = post_case(house, token)
    fetcher = Fetcher(asker.runtime(hotline_url=hotline), APPLY)
    want(asker.opened[0], HandOverDetails, hotline_case_id=case)
    environment = {**os.environ, fetch_process.VARIABLE: asker.environment(hotline_url=hotline)}

    killed = subprocess.run([sys.executable, "-m", fetch_process.__name__], env=environment, check=False)
    [leased] = rows(world)
    while_leased = fetcher.fetch_due()
    let_time_pass(world)
    after_lease = fetcher.fetch_due()

    assert killed.returncode == -signal.SIGKILL
    assert leased["due_at"] <= now() + LEASE
    assert leased["due_at"] > now() - timedelta(seconds=1)
    assert (while_leased, after_lease) == (0, 1)
    assert world.effects() == [(str(case), NARRATIVE)]


def test_the_loop_goes_on_after_an_outage_of_its_database_until_it_is_stopped(
    house: House, world: World, server: Server, asker: Asker, hotline: str, token: Token
) -> None:
    case = post_case(house, token)
    fetcher = Fetcher(asker.runtime(hotline_url=hotline), APPLY)

    async def story() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(fetcher.run(stop))
        with shut(server, world.consumer):
            await asyncio.sleep(0.1)
        await asyncio.to_thread(want, asker.opened[0], HandOverDetails, hotline_case_id=case)
        await until(lambda: len(world.effects()) == 1, "the details are applied")
        stop.set()
        await running

    asyncio.run(story())

    assert world.effects() == [(str(case), NARRATIVE)]


def test_told_to_stop_it_takes_no_other_fetch(world: World, asker: Asker) -> None:
    stop = asyncio.Event()
    numbers: list[int] = []

    def apply(session: Session, details: Answer, params: dict[str, str]) -> None:  # noqa: ARG001
        numbers.append(details.number)
        stop.set()

    with served(Starlette(routes=[Route("/answers/{kind}", lambda _: Response('{"number": 7}'))])) as url:
        fetcher = Fetcher(asker.runtime(referral_url=url), {Answer: apply})
        for _ in range(3):
            want(asker.opened[0], Answer, kind="sound")
        applied = fetcher.fetch_due(stop)

    assert applied == 1
    assert numbers == [7]
    assert [row["done_at"] is None for row in rows(world)] == [False, True, True]
    assert all(row["due_at"] <= now() for row in rows(world)[1:])


def refuse_to_apply(session: Session, details: Answer, params: dict[str, str]) -> None:  # noqa: ARG001
    """Nothing that a strange owner says may come this far."""
    raise AssertionError


def problems(world: World) -> list[str | None]:
    return [row["last_problem"] for row in rows(world)]
