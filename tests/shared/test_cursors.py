"""Cursors: each holds for its list, its filters and its reader, and nobody can bend one."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import select

from services.hotline.access import VISIBLE
from services.hotline.app import build
from services.hotline.models import HotlineCase
from shared.errors import InvalidInput
from shared.process import open_runtime
from tests.harness import House, new_key
from tests.shared.cursors import CASES, acting, cursor_at, first_next, page_of, stored
from tests.specimen import client_of


def test_no_altered_cursor_is_taken(house: House, token: Any) -> None:
    stored(house, 3)
    client, operator = house.client("hotline"), token("hotline_operator")
    (cursor,) = parse_qs(urlsplit(first_next(client, operator)).query)["cursor"]
    altered = [cursor[:n] + ("A" if cursor[n] != "A" else "B") + cursor[n + 1 :] for n in range(len(cursor))]

    answers = [
        client.get(CASES, params={"limit": 2, "cursor": bad}, headers=operator)
        for bad in (*altered, cursor[:-1], cursor + "A", "", "é", " ", "/" * 32)
    ]

    assert {answer.status_code for answer in answers} == {422}
    assert answers[0].json()["errors"][0]["pointer"] == "/query/cursor"


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seq=st.integers(-(2**63), 2**63 - 1), place=st.integers(0, 24 * 8 - 1), noise=st.text(max_size=64))
def test_a_cursor_opens_to_its_own_place_and_nothing_like_it_opens(
    house: House, seq: int, place: int, noise: str
) -> None:
    with acting(house) as session:
        cursor = cursor_at(house, seq)
        raw = bytearray(urlsafe_b64decode(cursor))
        raw[place // 8] ^= 1 << place % 8

        assert page_of(CASES, cursor)._opened(session, cursor) == seq
        for bad in (urlsafe_b64encode(raw).decode(), cursor + noise, noise + cursor, noise):
            if bad != cursor:
                with pytest.raises(InvalidInput):
                    page_of(CASES, bad)._opened(session, bad)


def test_a_cursor_holds_for_its_filters_only(house: House, token: Any) -> None:
    stored(house, 3)
    client, operator = house.client("hotline"), token("hotline_operator")
    address = first_next(client, operator, "limit=2&status=posted")

    with_its_filter = client.get(address, headers=operator)
    with_another = client.get(address.replace("posted", "triaged"), headers=operator)
    with_none = client.get(address.replace("status=posted", ""), headers=operator)

    assert with_its_filter.status_code == 200
    assert (with_another.status_code, with_none.status_code) == (422, 422)


def test_a_cursor_holds_for_another_page_size(house: House, token: Any) -> None:
    stored(house, 9)
    client, operator = house.client("hotline"), token("hotline_operator")

    rest = client.get(first_next(client, operator).replace("limit=2", "limit=50"), headers=operator).json()

    assert len(rest["items"]) == 7


def test_a_cursor_holds_for_its_reader_only(house: House, token: Any) -> None:
    stored(house, 3)
    client = house.client("hotline")
    address = first_next(client, token("hotline_operator", sub="one"))

    answer = client.get(address, headers=token("hotline_operator", sub="another"))

    assert answer.status_code == 422


def test_a_cursor_holds_for_its_operation_and_address_only(house: House) -> None:
    stored(house, 3)
    made = cursor_at(house, 2)

    for operation, path in (("list_others", CASES), ("list_cases", f"{CASES}/others")):
        with pytest.raises(InvalidInput), acting(house, operation) as session:
            page_of(path, made).rows(session, select(HotlineCase), HotlineCase.seq)


def test_a_cursor_of_before_a_key_rotation_still_holds(house: House, token: Any) -> None:
    stored(house, 3)
    old, new = new_key(), new_key()
    address, answers = f"{CASES}?limit=2", []
    for keys in (f"k1:{old}", f"k2:{new},k1:{old}"):
        runtime = open_runtime("hotline", house.settings("hotline", service_keys=keys), VISIBLE)
        answers.append(client_of(build(runtime)).get(address, headers=token("hotline_operator")))
        address = answers[0].json()["next"]
        runtime.close()

    assert [answer.status_code for answer in answers] == [200, 200]
    assert len(answers[1].json()["items"]) == 1
