"""A service starts only when every route is guarded, describes itself, and says whether it is alive and ready."""

import re
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, WebSocket
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from deploy.postgres import Server
from services.hotline.app import build
from services.hotline.routes import api as hotline_api
from shared.app import UnguardedRouteError
from shared.auth import PUBLIC, authorise
from shared.edge import router
from shared.permissions import Permission
from tests.harness import House
from tests.specimen import api, as_owner, client_of, dry_runtime, specimen


def nested(inner: APIRouter) -> APIRouter:
    """Return a router that holds a router that holds `inner`."""
    middle, outer = APIRouter(prefix="/middle"), router("/hotline/outer")
    middle.include_router(inner)
    outer.include_router(middle)
    return outer


def answer_all() -> dict[str, str]:
    return {"open": "to all"}


def plain(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("open to all")


async def socket(websocket: WebSocket) -> None:
    await websocket.accept()


def test_an_unguarded_route_deep_in_nested_routers_keeps_the_app_from_starting() -> None:
    inner = router("/inner")
    inner.add_api_route("/open", answer_all)

    with pytest.raises(UnguardedRouteError, match="/hotline/outer/middle/inner/open"):
        specimen(dry_runtime(), [api, nested(inner)])


def test_a_route_that_asks_who_calls_but_names_no_permission_is_unguarded() -> None:
    inner = router("/inner")

    @inner.get("/who")
    def who(_caller: Annotated[Any, Depends(authorise)]) -> None:
        """Answer anyone who has a token."""

    with pytest.raises(UnguardedRouteError):
        specimen(dry_runtime(), [nested(inner)])


def test_plain_routes_mounts_and_web_sockets_cannot_slip_past_the_guard() -> None:
    routers = [router("/a"), router("/b"), router("/c")]
    routers[0].add_route("/plain", plain)
    routers[1].add_api_websocket_route("/socket", socket)
    routers[2].mount("/mount", PlainTextResponse("open to all"))

    for unguarded in routers:
        with pytest.raises(UnguardedRouteError):
            specimen(dry_runtime(), [nested(unguarded)])


def test_a_route_marked_public_passes_and_answers_without_a_token() -> None:
    inner = router("/inner")
    inner.add_api_route("/open", answer_all, openapi_extra=PUBLIC)

    answer = client_of(specimen(dry_runtime(), [nested(inner)])).get("/hotline/outer/middle/inner/open")

    assert answer.json() == {"open": "to all"}


def test_every_operation_states_its_permission_in_the_api_description() -> None:
    described = build(dry_runtime()).openapi()

    operations = [operation for path in described["paths"].values() for operation in path.values()]
    scopes = [operation["security"] for operation in operations]
    assert described["openapi"].startswith("3.1")
    assert len(operations) == len(hotline_api.routes) + 1 + 5, "its own, the audit trail, and the dead letters"
    assert all(len(scope) == 1 for scope in scopes)
    assert all(scope[0]["HTTPBearer"] and set(scope[0]["HTTPBearer"]) <= set(Permission) for scope in scopes)
    assert described["paths"]["/hotline/v1/cases"]["post"]["security"] == [{"HTTPBearer": ["hotline_case:post"]}]


def test_a_public_operation_states_that_it_is_public() -> None:
    described = specimen(dry_runtime()).openapi()

    operation = described["paths"]["/hotline/specimen/sheets"]["post"]
    assert operation["x-public"] is True
    assert "security" not in operation


def test_the_api_page_is_served_with_local_assets_only() -> None:
    client = client_of(build(dry_runtime()))

    page = client.get("/hotline/docs")

    assets = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert page.status_code == 200
    assert "://" not in page.text
    assert len(assets) == 3
    assert all(client.get(asset).status_code == 200 for asset in assets)


def test_an_address_with_a_slash_too_many_is_not_found_and_not_redirected() -> None:
    answer = client_of(build(dry_runtime())).get("/hotline/v1/cases/", headers={"Host": "elsewhere.example"})

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_process_is_alive_even_while_its_database_is_away() -> None:
    client = client_of(build(dry_runtime()))

    alive, ready = client.get("/hotline/livez"), client.get("/hotline/readyz")

    assert alive.status_code == 200
    assert ready.status_code == 503
    assert ready.json() == {"database": False, "migrations": False}


def test_a_service_with_database_and_migrations_is_ready(house: House) -> None:
    ready = house.client("hotline").get("/hotline/readyz")

    assert ready.status_code == 200
    assert ready.json() == {"database": True, "migrations": True}


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE alembic_version",
        "DELETE FROM alembic_version WHERE version_num LIKE 'hotline%'",
        "UPDATE alembic_version SET version_num = 'kit_from_the_future' WHERE version_num LIKE 'kit%'",
    ],
)
def test_a_service_whose_migrations_are_not_at_head_is_not_ready(house: House, statement: str) -> None:
    client = house.client("hotline")
    as_owner(house, statement)

    ready = client.get("/hotline/readyz")

    assert ready.status_code == 503
    assert ready.json() == {"database": True, "migrations": False}


def test_a_service_is_not_ready_when_its_database_goes_away_under_it(house: House, server: Server, token: Any) -> None:
    client = house.client("hotline")
    client.get("/hotline/v1/cases", headers=token("hotline_operator"))
    database = str(house.runtime("hotline").engine.url.database)
    server.drop(database)

    ready = client.get("/hotline/readyz")
    answer = client.get("/hotline/v1/cases", headers=token("hotline_operator"))

    assert ready.status_code == 503
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "2"
    assert database not in answer.text


def test_the_metrics_tell_requests_by_route_and_what_waits(house: House, token: Any) -> None:
    client = house.client("hotline")
    client.get("/hotline/v1/cases", headers=token("hotline_operator"))
    client.get("/hotline/v1/cases")
    client.get("/hotline/nowhere/Canary")

    figures = client.get("/hotline/metrics").text

    assert 'baoho_request_seconds_count{method="GET",route="/hotline/v1/cases",status="200"} 1.0' in figures
    assert 'route="unmatched",status="404"' in figures
    assert "baoho_unauthenticated_total 1.0" in figures
    assert "baoho_outbox_waiting 0.0" in figures
    assert "Canary" not in figures


def test_the_metrics_are_told_while_the_database_is_away() -> None:
    figures = client_of(build(dry_runtime())).get("/hotline/metrics")

    assert figures.status_code == 200
    assert "baoho_outbox_waiting" in figures.text
