"""The fetch loop over real HTTP: details come once, an owner that is away is asked again for ever, nothing personal stays."""

import asyncio
import json
import secrets
from importlib import import_module

import pytest
from sqlmodel import Session
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deploy.postgres import Server
from shared.clock import now
from shared.contracts.hotline import HandOverDetails
from shared.errors import NotFound
from shared.fetch import DELAYS, Fetcher
from shared.tables import audit
from tests.harness import House, free_port
from tests.shared.bus.kafka_world import until
from tests.shared.faults.fetching import (
    APPLY,
    NARRATIVE,
    Answer,
    Asker,
    Token,
    let_time_pass,
    post_case,
    problems,
    rows,
    served,
    want,
)
from tests.shared.faults.outage import shut
from tests.shared.faults.world import ACT, World

CANARY = "Nguyễn Thị Hằng"
WRONG_SECRET = secrets.token_urlsafe(32)


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


def test_the_loop_goes_on_after_an_outage_of_its_database_until_it_is_stopped(
    world: World, server: Server, asker: Asker
) -> None:
    numbers: list[int] = []

    def apply(session: Session, details: Answer, params: dict[str, str]) -> None:  # noqa: ARG001
        numbers.append(details.number)

    async def story(fetcher: Fetcher) -> None:
        stop = asyncio.Event()
        with shut(server, world.consumer):
            running = asyncio.create_task(fetcher.run(stop))
            await asyncio.sleep(0.5)
        await asyncio.to_thread(want, asker.opened[0], Answer, kind="sound")
        await until(lambda: rows(world)[0]["done_at"] is not None, "the details are applied")
        stop.set()
        await running

    with served(Starlette(routes=[Route("/answers/{kind}", lambda _: Response('{"number": 7}'))])) as url:
        asyncio.run(story(Fetcher(asker.runtime(referral_url=url), {Answer: apply})))

    assert numbers == [7]


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
