"""Lists by keyset: whole whatever is added meanwhile, and as cheap at the end as at the start."""

from collections.abc import Callable
from itertools import chain
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import event, text

from services.hotline.access import VISIBLE
from services.hotline.app import build
from shared.paging import PAGE_LIMIT
from shared.process import open_runtime
from tests.harness import House
from tests.shared.cursors import CASES, cursor_at, first_next, stored
from tests.specimen import as_owner, client_of, counts, new_case

MANY = 20_000
FILL = f"""
    INSERT INTO hotline_case (id, version, created_at, updated_at, mission, reference, country, category,
                              complaint_types, language, caller_id, status, priority, progress)
    SELECT gen_random_uuid(), 1, now(), now(), 'TW', 'R' || n, 'TW', 'stranded', '[]', 'vi', gen_random_uuid(),
           CASE WHEN n % 2 = 0 THEN 'posted' ELSE 'triaged' END, 'p2', 'none'
    FROM generate_series(1, {MANY}) AS n
"""  # noqa: S608 - a number of our own


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
