"""A list of hotline cases to page through, and the cursors into it."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request

from shared.paging import PageRequest
from shared.runtime import Act
from tests.harness import House
from tests.specimen import new_case

CASES = "/hotline/v1/cases"
OPERATOR = "demo:hotline_operator"


def stored(house: House, number: int) -> None:
    with house.session("hotline") as session:
        session.add_all([new_case() for _ in range(number)])
        session.commit()


def acting(house: House, operation: str = "list_cases") -> Any:
    return house.runtime("hotline").session(Act(OPERATOR, operation, "test"))


def page_of(path: str, cursor: str | None, query: str = "limit=20") -> PageRequest:
    scope = {"type": "http", "method": "GET", "path": path, "query_string": query.encode(), "headers": []}
    return PageRequest(Request(scope), 20, cursor)


def cursor_at(house: House, seq: int, query: str = "limit=20") -> str:
    """Return the cursor that the service itself would give after the row `seq`."""
    with acting(house) as session:
        (cursor,) = parse_qs(urlsplit(page_of(CASES, None, query)._next(session, seq)).query)["cursor"]
    return cursor


def first_next(client: Any, headers: dict[str, str], query: str = "limit=2") -> str:
    address: str = client.get(f"{CASES}?{query}", headers=headers).json()["next"]
    return address
