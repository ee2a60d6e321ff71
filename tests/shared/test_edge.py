"""One request is one transaction: committed before its answer leaves, or nothing of it stays."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
from sqlalchemy import text

from services.hotline.app import build
from shared.ids import new_id
from tests.harness import House
from tests.specimen import CANARY, CASE, as_owner, counts, posted, serving, specimen_client

REFUSED_AT_COMMIT = "ALTER TABLE hotline_case ADD CONSTRAINT late UNIQUE (country) DEFERRABLE INITIALLY DEFERRED"


def test_an_answer_leaves_only_after_its_act_is_durable(house: House, token: Any) -> None:
    case = posted(house, token)

    with house.runtime("hotline").engine.connect() as another:
        stored = another.execute(text("SELECT id::text FROM hotline_case")).scalar_one()

    assert stored == case["id"]
    assert counts(house) == {"hotline_case": 1, "outbox": 1, "audit": 1, "idempotency": 1, "person_key": 1}


def test_a_commit_that_fails_answers_500_and_stores_nothing(house: House, token: Any) -> None:
    posted(house, token)
    as_owner(house, REFUSED_AT_COMMIT)
    before = counts(house)

    answer = house.client("hotline").post(
        "/hotline/v1/cases", json={**CASE, "reference": "SECOND"}, headers=token("mission_officer")
    )

    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:baoho:problem:internal-error"
    assert "location" not in answer.headers
    assert counts(house) == before


def test_a_key_whose_commit_failed_may_be_used_again(house: House, token: Any) -> None:
    posted(house, token)
    as_owner(house, REFUSED_AT_COMMIT)
    headers = {**token("mission_officer"), "Idempotency-Key": "again"}
    body = {**CASE, "reference": "SECOND"}
    house.client("hotline").post("/hotline/v1/cases", json=body, headers=headers)
    as_owner(house, "ALTER TABLE hotline_case DROP CONSTRAINT late")

    answer = house.client("hotline").post("/hotline/v1/cases", json=body, headers=headers)

    assert answer.status_code == 201
    assert "idempotent-replayed" not in answer.headers


def test_an_error_at_the_very_end_of_a_route_rolls_everything_back(house: House, token: Any) -> None:
    client = specimen_client(house)
    before = counts(house)

    answer = client.post("/hotline/specimen/broken", headers=token("hotline_operator"))

    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert CANARY not in answer.text
    assert counts(house) == before


def test_a_statement_the_database_refuses_answers_500_without_quoting_it(house: House, token: Any) -> None:
    client = specimen_client(house)
    before = counts(house)

    answer = client.post("/hotline/specimen/twice", headers=token("hotline_operator"))

    assert answer.status_code == 500
    assert not any(word in answer.text for word in (CANARY, "INSERT", "uq_", "psycopg", "Traceback"))
    assert counts(house) == before


def test_more_requests_at_once_than_connections_are_all_answered(house: House, token: Any) -> None:
    missions = token("mission_officer")

    def post(number: int) -> int:
        headers = {**missions, "Idempotency-Key": str(new_id())}
        return client.post("/hotline/v1/cases", json={**CASE, "reference": f"R{number}"}, headers=headers).status_code

    with (
        serving(build(house.runtime("hotline"))) as url,
        httpx.Client(base_url=url, timeout=60, limits=httpx.Limits(max_connections=64)) as client,
        ThreadPoolExecutor(64) as threads,
    ):
        answered = Counter(threads.map(post, range(128)))

    assert answered == {201: 128}


def test_denials_in_a_burst_are_all_answered_and_audited(house: House, token: Any) -> None:
    operator = token("hotline_operator")

    def read(_number: int) -> int:
        return client.get(f"/hotline/v1/cases/{new_id()}", headers=operator).status_code

    with (
        serving(build(house.runtime("hotline"))) as url,
        httpx.Client(base_url=url, timeout=60, limits=httpx.Limits(max_connections=64)) as client,
        ThreadPoolExecutor(64) as threads,
    ):
        answered = Counter(threads.map(read, range(128)))

    assert answered == {404: 128}
    assert counts(house)["audit"] == 128


def test_an_event_waits_in_the_outbox_only_when_its_change_is_stored(house: House, token: Any) -> None:
    case = posted(house, token)
    client, operator = house.client("hotline"), token("hotline_operator")

    stale = client.post(
        f"/hotline/v1/cases/{case['id']}/triage", json={"priority": "p0"}, headers={**operator, "If-Match": '"7"'}
    )

    assert stale.status_code == 412
    assert len(house.published("hotline")) == 1


def test_the_answer_bears_the_version_that_was_committed_as_its_etag(house: House, token: Any) -> None:
    case = posted(house, token)
    client, operator = house.client("hotline"), token("hotline_operator")

    changed = client.post(f"/hotline/v1/cases/{case['id']}/triage", json={"priority": "p0"}, headers=operator)
    read = client.get(f"/hotline/v1/cases/{case['id']}", headers=operator)

    assert changed.headers["etag"] == read.headers["etag"] == '"2"'
    assert changed.json()["version"] == 2


def test_a_route_that_would_wait_within_its_transaction_is_refused(house: House) -> None:
    answer = specimen_client(house).get("/hotline/specimen/waiting")

    assert answer.status_code == 500
    assert counts(house) == {"hotline_case": 0, "outbox": 0, "audit": 0, "idempotency": 0, "person_key": 0}
