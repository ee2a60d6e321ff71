"""One key, one effect: the answer is given again only to who may still have it, and lies sealed meanwhile."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from string import ascii_letters, digits
from threading import Barrier
from typing import Any

import httpx
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from services.hotline.access import VISIBLE
from services.hotline.app import build
from shared.clock import now
from shared.idempotency import KEPT, KEY_FORM, forget_old_keys
from shared.process import open_runtime
from shared.tables import idempotency
from tests.harness import House, new_key
from tests.specimen import CASE, as_owner, client_of, counts, serving, specimen_client

CASES = "/hotline/v1/cases"
AT_ONCE = 50


def post(house: House, headers: dict[str, str], key: str = "key-1", **changes: Any) -> Any:
    return house.client("hotline").post(CASES, json={**CASE, **changes}, headers={**headers, "Idempotency-Key": key})


def test_the_same_key_and_body_get_the_same_answer_and_act_once(house: House, token: Any) -> None:
    mission = token("mission_officer")

    first = post(house, mission)
    after_one = counts(house)
    second = post(house, mission)

    assert (second.status_code, second.content) == (first.status_code, first.content)
    assert second.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert [second.headers[name] for name in ("etag", "location", "content-type")] == [
        first.headers[name] for name in ("etag", "location", "content-type")
    ]
    assert counts(house) == after_one


def test_one_key_sent_fifty_times_at_once_has_one_effect(house: House, token: Any) -> None:
    headers = {**token("mission_officer"), "Idempotency-Key": "at-once"}
    barrier = Barrier(AT_ONCE)

    def send(_number: int) -> httpx.Response:
        barrier.wait()
        return client.post(CASES, json=CASE, headers=headers)

    limits = httpx.Limits(max_connections=AT_ONCE)
    with (
        serving(build(house.runtime("hotline"))) as url,
        httpx.Client(base_url=url, timeout=60, limits=limits) as client,
        ThreadPoolExecutor(AT_ONCE) as threads,
    ):
        client.get(CASES, headers=headers)
        answers = list(threads.map(send, range(AT_ONCE)))

    by_status = Counter(answer.status_code for answer in answers)
    acted = [answer for answer in answers if answer.status_code == 201 and "idempotent-replayed" not in answer.headers]
    assert set(by_status) <= {201, 409}
    assert len(acted) == 1
    assert {answer.content for answer in answers if answer.status_code == 201} == {acted[0].content}
    assert all(answer.headers["retry-after"] == "1" for answer in answers if answer.status_code == 409)
    assert counts(house) == {"hotline_case": 1, "outbox": 1, "audit": 1, "idempotency": 1, "person_key": 1}


def test_the_same_key_with_another_body_answers_422(house: House, token: Any) -> None:
    mission = token("mission_officer")
    post(house, mission)

    answer = post(house, mission, reference="ANOTHER")

    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:baoho:problem:idempotency-key-reused"
    assert counts(house)["hotline_case"] == 1


def test_another_caller_s_key_of_the_same_name_is_another_key(house: House, token: Any) -> None:
    one, another = token("mission_officer", sub="one"), token("mission_officer", sub="another")

    first, second = post(house, one), post(house, another, reference="ANOTHER")

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] != second.json()["id"]


def test_the_same_key_for_another_row_is_another_key(house: House, token: Any) -> None:
    mission, operator = token("mission_officer"), token("hotline_operator")
    ids = [post(house, mission, key=name, reference=name).json()["id"] for name in ("A", "B")]

    answers = [
        house.client("hotline").post(
            f"{CASES}/{case_id}/triage", json={"priority": "p0"}, headers={**operator, "Idempotency-Key": "same"}
        )
        for case_id in ids
    ]

    assert [answer.json()["id"] for answer in answers] == ids


def test_an_answer_is_not_given_again_when_its_row_left_the_caller_s_sight(house: House, token: Any) -> None:
    mission = token("mission_officer")
    post(house, mission)
    as_owner(house, "UPDATE hotline_case SET country = 'KR'")

    answer = post(house, mission)

    assert answer.status_code == 404
    assert "idempotent-replayed" not in answer.headers


def test_an_answer_is_not_given_again_when_the_caller_moved_to_another_country(house: House, token: Any) -> None:
    post(house, token("mission_officer", sub="officer-7"))

    answer = post(house, token("mission_officer", sub="officer-7", country="KR"))

    assert answer.status_code == 404


def test_an_answer_is_not_given_again_when_the_permission_is_gone(house: House, token: Any) -> None:
    post(house, token("mission_officer", sub="officer-7"))

    answer = post(house, token("osso_officer", sub="officer-7"))

    assert answer.status_code == 403


def test_a_conflict_is_not_kept_so_the_key_works_when_the_way_is_free(house: House, token: Any) -> None:
    case_id = post(house, token("mission_officer")).json()["id"]
    client, operator = house.client("hotline"), {**token("hotline_operator"), "Idempotency-Key": "hand-over"}
    address, office = f"{CASES}/{case_id}/hand-over", {"office": "osso-ha-noi"}
    too_early = client.post(address, json=office, headers=operator)
    client.post(f"{CASES}/{case_id}/triage", json={"priority": "p0"}, headers=token("hotline_operator"))

    answer = client.post(address, json=office, headers=operator)

    assert too_early.status_code == 409
    assert answer.status_code == 200


def test_a_refused_body_is_not_kept_so_the_key_works_for_the_mended_one(house: House, token: Any) -> None:
    mission = token("mission_officer")

    refused, answer = post(house, mission, country="nowhere"), post(house, mission)

    assert refused.status_code == 422
    assert answer.status_code == 201


def test_a_post_that_stores_something_needs_a_well_formed_key(house: House, token: Any) -> None:
    client, mission = house.client("hotline"), token("mission_officer")
    keys: list[dict[str, str]] = [{}, *({"Idempotency-Key": key} for key in ("", "a b", "x" * 129, "a/b", "a\tb"))]

    answers = [client.request("POST", CASES, json=CASE, headers={**mission, **key}) for key in keys]

    assert {answer.status_code for answer in answers} == {400}
    assert answers[0].json()["type"] == "urn:baoho:problem:idempotency-key-required"
    assert counts(house)["hotline_case"] == 0


def test_stored_answers_are_sealed_and_keys_and_callers_are_not_told(house: House, token: Any) -> None:
    client, operator = house.client("hotline"), token("hotline_operator")
    case_id = post(house, token("mission_officer"), key="plain-key").json()["id"]
    triaged = client.post(f"{CASES}/{case_id}/triage", json={"priority": "p0"}, headers=operator)

    stored = str([dict(row) for row in house.rows("hotline", idempotency)])

    assert CASE["narrative"] in triaged.json()["narrative"]
    assert not any(plain in stored for plain in ("narrative", "hộ chiếu", "886912345678", "plain-key", "demo:"))


def test_an_answer_stored_before_the_service_key_rotated_is_given_again_after_it(house: House, token: Any) -> None:
    old, new = new_key(), new_key()
    house.runtime("hotline")
    replies = []
    for keys in (f"k1:{old}", f"k2:{new},k1:{old}"):
        runtime = open_runtime("hotline", house.settings("hotline", service_keys=keys), VISIBLE)
        headers = {**token("mission_officer"), "Idempotency-Key": "across"}
        replies.append(client_of(build(runtime)).post(CASES, json=CASE, headers=headers))
        runtime.close()

    first, second = replies
    assert second.content == first.content
    assert second.headers["idempotent-replayed"] == "true"


def test_answers_are_forgotten_after_a_day(house: House, token: Any) -> None:
    mission = token("mission_officer")
    post(house, mission)
    age_keys(house, KEPT - timedelta(minutes=5))
    forget(house)
    young = post(house, mission)

    age_keys(house, KEPT + timedelta(minutes=5))
    forget(house)
    old = post(house, mission)

    assert young.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in old.headers
    assert (old.status_code, counts(house)["hotline_case"]) == (200, 1)


def age_keys(house: House, age: timedelta) -> None:
    with house.runtime("hotline").engine.begin() as connection:
        connection.execute(update(idempotency).values(created_at=now() - age))


def forget(house: House) -> None:
    with house.session("hotline") as session:
        forget_old_keys(session)
        session.commit()


def test_a_post_whose_row_nobody_could_look_for_again_is_refused_at_once_and_not_at_its_replay(
    house: House, token: Any
) -> None:
    house.runtime("hotline")
    runtime = open_runtime("hotline", house.settings("hotline"), {})

    answer = client_of(build(runtime)).post(CASES, json=CASE, headers=token("mission_officer"))
    runtime.close()

    assert answer.status_code == 500
    assert counts(house)["hotline_case"] == 0


def test_a_post_that_is_about_no_row_is_replayed_too(house: House, token: Any) -> None:
    client, headers = specimen_client(house), {**token("hotline_operator"), "Idempotency-Key": "notice"}

    first, second = (client.post("/hotline/specimen/notices", headers=headers) for _ in range(2))

    assert second.json() == first.json()
    assert second.headers["idempotent-replayed"] == "true"


@given(st.text(max_size=140))
def test_a_key_is_of_letters_digits_and_dashes_alone(key: str) -> None:
    letters = set(ascii_letters + digits + "-_")

    assert bool(KEY_FORM.fullmatch(key)) == (1 <= len(key) <= 128 and set(key) <= letters)
