"""Several people act on the same case at the same moment: each change is whole, none is lost, the late ones are told."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import httpx
import pytest

from services.hotline.app import build
from shared.concurrency import take_turn
from shared.contracts.hotline import HotlineCaseTriaged
from shared.ids import new_id
from shared.tables import audit
from tests.harness import House
from tests.specimen import CASE, posted, serving, specimen

OFFICERS = 8


@pytest.fixture
def http(house: House, token: Any) -> Iterator[httpx.Client]:
    """The hotline over real HTTP, its key set fetched."""
    with serving(build(house.runtime("hotline"))) as url, httpx.Client(base_url=url, timeout=60) as client:
        client.get("/hotline/v1/cases", headers=token("hotline_operator"))
        yield client


def at_once(times: int, act: Callable[[int], httpx.Response]) -> list[httpx.Response]:
    """Do the same thing that many times at the same moment."""
    barrier = Barrier(times)

    def wait_and_act(number: int) -> httpx.Response:
        barrier.wait()
        return act(number)

    with ThreadPoolExecutor(times) as threads:
        return list(threads.map(wait_and_act, range(times)))


def changes(house: House) -> int:
    return sum(row["outcome"] == "changed" for row in house.rows("hotline", audit))


def test_of_two_officers_with_the_same_etag_one_changes_the_case_and_the_other_is_told(
    house: House, token: Any, http: httpx.Client
) -> None:
    case, operator = posted(house, token), token("hotline_operator")

    def triage(number: int) -> httpx.Response:
        headers = {**operator, "If-Match": '"1"', "Idempotency-Key": str(new_id())}
        return http.post(f"/hotline/v1/cases/{case['id']}/triage", json={"priority": f"p{number % 2}"}, headers=headers)

    answers = at_once(OFFICERS, triage)

    (winner,) = (answer.json() for answer in answers if answer.status_code == 200)
    stored = http.get(f"/hotline/v1/cases/{case['id']}", headers=operator).json()
    assert Counter(answer.status_code for answer in answers) == {200: 1, 412: OFFICERS - 1}
    assert (stored["version"], stored["priority"]) == (2, winner["priority"])
    assert changes(house) == 1
    assert len(house.published("hotline", HotlineCaseTriaged)) == 1


def test_of_two_officers_who_patch_with_the_same_etag_one_is_told(house: House, token: Any) -> None:
    case, operator = posted(house, token), token("hotline_operator")

    with serving(specimen(house.runtime("hotline"))) as url, httpx.Client(base_url=url, timeout=60) as client:

        def change(number: int) -> httpx.Response:
            body = {"office": f"office-{number}"}
            headers = {**operator, "If-Match": '"1"'}
            return client.patch(f"/hotline/specimen/cases/{case['id']}", json=body, headers=headers)

        client.get("/hotline/specimen/actor", headers=operator)
        answers = at_once(2, change)

    assert Counter(answer.status_code for answer in answers) == {200: 1, 412: 1}
    assert changes(house) == 1


def test_changes_that_ask_for_no_version_go_one_after_the_other(house: House, token: Any, http: httpx.Client) -> None:
    case, operator = posted(house, token), token("hotline_operator")

    def triage(_number: int) -> httpx.Response:
        headers = {**operator, "Idempotency-Key": str(new_id())}
        return http.post(f"/hotline/v1/cases/{case['id']}/triage", json={"priority": "p0"}, headers=headers)

    answers = at_once(OFFICERS, triage)

    assert {answer.status_code for answer in answers} == {200}
    assert sorted(answer.json()["version"] for answer in answers) == list(range(2, OFFICERS + 2))
    assert len(house.published("hotline", HotlineCaseTriaged)) == OFFICERS


def test_a_step_that_can_be_taken_once_is_taken_once(house: House, token: Any, http: httpx.Client) -> None:
    case, operator = posted(house, token), token("hotline_operator")
    address = f"/hotline/v1/cases/{case['id']}"
    http.post(f"{address}/triage", json={"priority": "p0"}, headers={**operator, "Idempotency-Key": "t"})

    def hand_over(_number: int) -> httpx.Response:
        headers = {**operator, "Idempotency-Key": str(new_id())}
        return http.post(f"{address}/hand-over", json={"office": "osso-ha-noi"}, headers=headers)

    answers = at_once(OFFICERS, hand_over)

    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: OFFICERS - 1}


def test_one_reference_posted_many_times_at_once_is_one_case(token: Any, http: httpx.Client) -> None:
    mission = token("mission_officer")

    def post(_number: int) -> httpx.Response:
        return http.post("/hotline/v1/cases", json=CASE, headers={**mission, "Idempotency-Key": str(new_id())})

    answers = at_once(OFFICERS, post)

    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: OFFICERS - 1}
    assert len({answer.json()["id"] for answer in answers}) == 1


def test_a_turn_that_never_comes_answers_503_and_may_be_tried_again(house: House, token: Any) -> None:
    client, mission = house.client("hotline"), token("mission_officer")

    with house.session("hotline") as someone:
        take_turn(someone, "hotline reference", "TW", str(CASE["reference"]))
        late = client.post("/hotline/v1/cases", json=CASE, headers=mission)
    again = client.post("/hotline/v1/cases", json=CASE, headers=mission)

    assert late.status_code == 503
    assert late.headers["retry-after"] == "2"
    assert again.status_code == 201
