"""Lists by keyset: whole whatever is added meanwhile, as cheap at the end as at the start, with cursors nobody can bend."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from itertools import chain
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, text
from sqlmodel import select
from starlette.requests import Request

from services.hotline.access import VISIBLE
from services.hotline.app import build
from services.hotline.models import HotlineCase
from shared.errors import InvalidInput
from shared.paging import PAGE_LIMIT, PageRequest
from shared.process import open_runtime
from shared.runtime import Act
from tests.harness import House, new_key
from tests.specimen import as_owner, client_of, counts, new_case

CASES = "/hotline/v1/cases"
OPERATOR = "demo:hotline_operator"
MANY = 20_000
FILL = f"""
    INSERT INTO hotline_case (id, version, created_at, updated_at, mission, reference, country, category,
                              complaint_types, language, caller_id, status, priority, progress)
    SELECT gen_random_uuid(), 1, now(), now(), 'TW', 'R' || n, 'TW', 'stranded', '[]', 'vi', gen_random_uuid(),
           CASE WHEN n % 2 = 0 THEN 'posted' ELSE 'triaged' END, 'p2', 'none'
    FROM generate_series(1, {MANY}) AS n
"""  # noqa: S608 - a number of our own


def stored(house: House, number: int) -> None:
    with house.session("hotline") as session:
        session.add_all([new_case() for _ in range(number)])
        session.commit()


def pages(client: Any, address: str | None, headers: dict[str, str]) -> list[list[str]]:
    """Follow `next` to the end; return the ids of each page."""
    found = []
    while address is not None:
        page = client.get(address, headers=headers).json()
        found.append([item["id"] for item in page["items"]])
        address = page["next"]
    return found


def test_following_next_gives_every_row_once_newest_first(house: House, token: Any) -> None:
    stored(house, 25)
    with house.session("hotline") as session:
        ids = session.connection().execute(text("SELECT id::text FROM hotline_case ORDER BY seq DESC"))
        newest_first = list(ids.scalars())

    found = pages(house.client("hotline"), f"{CASES}?limit=10", token("hotline_operator"))

    assert [len(page) for page in found] == [10, 10, 5]
    assert list(chain(*found)) == newest_first


def test_of_a_row_in_a_list_nothing_is_read_that_the_list_does_not_show(house: House, token: Any) -> None:
    stored(house, 1)
    client, asked = house.client("hotline"), []
    event.listen(house.runtime("hotline").engine, "before_cursor_execute", lambda *told: asked.append(told[2]))

    [shown] = client.get(CASES, headers=token("hotline_operator")).json()["items"]

    [read] = [statement.partition("FROM")[0] for statement in asked if "FROM hotline_case" in statement]
    columns = {column.strip().removeprefix("hotline_case.") for column in read.removeprefix("SELECT").split(",")}
    assert columns == {*shown, "seq"}


def test_the_last_page_has_no_next(house: House, token: Any) -> None:
    client, operator = house.client("hotline"), token("hotline_operator")
    found = []

    for more in (0, 1, 9, 1, 9):
        stored(house, more)
        found.append([len(page) for page in pages(client, f"{CASES}?limit=10", operator)])

    assert found == [[0], [1], [10], [10, 1], [10, 10]]


def test_rows_added_while_one_pages_make_neither_gaps_nor_doubles(house: House, token: Any) -> None:
    stored(house, 12)
    client, operator = house.client("hotline"), token("hotline_operator")
    before = set(chain(*pages(client, CASES, operator)))
    seen: list[str] = []
    address = f"{CASES}?limit=3"

    while address is not None:
        page = client.get(address, headers=operator).json()
        seen += [item["id"] for item in page["items"]]
        stored_more = [new_case() for _ in range(2)]
        with house.session("hotline") as session:
            session.add_all(stored_more)
            session.commit()
        address = page["next"]

    assert len(seen) == len(set(seen))
    assert set(seen) == before


def first_next(client: Any, headers: dict[str, str], query: str = "limit=2") -> str:
    address: str = client.get(f"{CASES}?{query}", headers=headers).json()["next"]
    return address


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


def page_of(path: str, cursor: str | None, query: str = "limit=20") -> PageRequest:
    scope = {"type": "http", "method": "GET", "path": path, "query_string": query.encode(), "headers": []}
    return PageRequest(Request(scope), 20, cursor)


def acting(house: House, operation: str = "list_cases") -> Any:
    return house.runtime("hotline").session(Act(OPERATOR, operation, "test"))


def cursor_at(house: House, seq: int, query: str = "limit=20") -> str:
    """Return the cursor that the service itself would give after the row `seq`."""
    with acting(house) as session:
        (cursor,) = parse_qs(urlsplit(page_of(CASES, None, query)._next(session, seq)).query)["cursor"]
    return cursor


def plan_of(house: House, request: Callable[[], Any]) -> dict[str, Any]:
    """Make a request, then let PostgreSQL run its list query again and tell the kinds of its steps and the rows it read."""
    statements: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        statements.append((statement, parameters))

    engine = house.runtime("hotline").engine
    event.listen(engine, "before_cursor_execute", note)
    assert request().status_code == 200
    event.remove(engine, "before_cursor_execute", note)
    (listing,) = (pair for pair in statements if "ORDER BY hotline_case.seq DESC" in pair[0])
    with engine.connect() as connection:
        explained = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {listing[0]}", listing[1]).scalar_one()
    return steps(explained[0]["Plan"])


def steps(plan: dict[str, Any]) -> dict[str, Any]:
    kinds = [plan["Node Type"]]
    while "Plans" in plan:
        (plan,) = plan["Plans"]
        kinds.append(plan["Node Type"])
    return {
        "kinds": kinds,
        "touched": plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0),
        "index": plan.get("Index Name"),
    }


def test_next_begins_with_the_public_address_whatever_host_was_asked(house: House, token: Any) -> None:
    stored(house, 3)
    house.runtime("hotline")
    runtime = open_runtime("hotline", house.settings("hotline", public_url="https://baoho.example.vn"), VISIBLE)

    with client_of(build(runtime)) as client:
        headers = {**token("hotline_operator"), "Host": "elsewhere.example", "X-Forwarded-Host": "elsewhere.example"}
        address = first_next(client, headers, "limit=2&status=posted,triaged")

    parts = urlsplit(address)
    assert address.startswith(f"https://baoho.example.vn{CASES}?")
    assert set(parse_qs(parts.query)) == {"limit", "status", "cursor"}
    assert len(parse_qs(parts.query)["cursor"][0]) == 32


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


def test_a_page_size_out_of_bounds_answers_422(house: House, token: Any) -> None:
    client, operator = house.client("hotline"), token("hotline_operator")

    for limit in ("0", "-1", str(PAGE_LIMIT + 1), "x", "9" * 400, "", "1.5"):
        answer = client.get(CASES, params={"limit": limit}, headers=operator)

        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/query/limit"


def test_several_values_of_a_filter_come_apart_by_commas_or_by_repetition(house: House, token: Any) -> None:
    stored(house, 2)
    client, operator = house.client("hotline"), token("hotline_operator")

    found = [
        len(client.get(f"{CASES}?{query}", headers=operator).json()["items"])
        for query in ("status=posted,triaged", "status=posted&status=triaged", "status=triaged")
    ]

    assert found == [2, 2, 0]


@pytest.mark.parametrize(
    ("query", "place"),
    [("posted,unheard", 1), ("posted,", 1), ("", 0), ("&status=", 0), (",posted", 0), ("posted&status=", 1)],
)
def test_a_filter_value_that_is_unknown_or_empty_is_named_and_refused(
    house: House, token: Any, query: str, place: int
) -> None:
    answer = house.client("hotline").get(f"{CASES}?status={query}", headers=token("hotline_operator"))

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == f"/query/status/{place}"


@pytest.mark.parametrize("query", ["limit=20", "limit=20&status=posted"])
def test_the_thousandth_page_costs_what_the_first_costs(house: House, token: Any, query: str) -> None:
    client, operator = house.client("hotline"), token("hotline_operator")
    as_owner(house, FILL, "ANALYZE hotline_case")
    cursor = cursor_at(house, 21, query)

    first = plan_of(house, lambda: client.get(f"{CASES}?{query}", headers=operator))
    thousandth = plan_of(house, lambda: client.get(f"{CASES}?{query}&cursor={cursor}", headers=operator))

    assert counts(house)["hotline_case"] == MANY
    for plan in (first, thousandth):
        assert "Sort" not in plan["kinds"]
        assert plan["kinds"][-1] == "Index Scan"
        assert plan["index"] == "uq_hotline_case_seq"
        assert plan["touched"] <= 2 * 21 + 1
    assert thousandth["kinds"] == first["kinds"]
