"""Several workers that fetch: none applies what another has applied, and what a dead one had in hand is not lost."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta

import pytest
from sqlmodel import Session
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from shared.clock import now
from shared.contracts.hotline import HandOverDetails
from shared.fetch import LEASE, Fetcher
from tests.harness import House
from tests.shared.bus.kafka_world import until
from tests.shared.faults import fetch_process
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
from tests.shared.faults.world import World


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
