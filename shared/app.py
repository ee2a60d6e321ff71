"""The HTTP process of a service: routes that name permissions, problems for errors, health, metrics, its API page."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio.to_thread
import fastapi_swagger
from fastapi import APIRouter, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from starlette.staticfiles import StaticFiles

from shared import health, openapi, problems
from shared.auth import PUBLIC, KeySet, Verifier, authorise
from shared.db import POOL_SIZE
from shared.health import Check
from shared.letters.routes import letters_router
from shared.metrics import Metrics
from shared.middleware import RequestContext
from shared.permissions import Permission
from shared.probes import TELEMETRY, serve_health
from shared.runtime import Runtime
from shared.trail import trail_router

API_PAGE_ASSETS = Path(fastapi_swagger.__file__).parent / "resources"


class Described(FastAPI):
    """An app whose description also tells what the edge does for every operation."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document, made at the first call."""
        if self.openapi_schema is None:
            openapi.completed(super().openapi())
        return super().openapi()


class UnguardedRouteError(Exception):
    """A route names no permission, or one that does not exist; the service does not start."""


def create_app(
    runtime: Runtime, *, title: str, routers: Sequence[APIRouter], checks: Mapping[str, Check] | None = None
) -> FastAPI:
    """Build a service's app; raises `UnguardedRouteError` if a route names no permission and does not say it is public."""
    prefix = f"/{runtime.service}"
    app = Described(
        title=title,
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{prefix}/openapi.json",
        lifespan=_lifespan,
        redirect_slashes=False,
        separate_input_output_schemas=True,
        telemetry=TELEMETRY,
    )
    settings = runtime.settings
    app.state.runtime = runtime
    app.state.metrics = Metrics()
    app.state.verifier = Verifier(settings.oidc_issuer, runtime.service, KeySet(settings.oidc_jwks_url))
    app.add_middleware(RequestContext, settings=settings, service=runtime.service)
    problems.install(app)
    for router in (*routers, letters_router(runtime.service), trail_router(runtime.service)):
        # As they are: included, a route would be looked for twice, in its router and among that router's routes.
        app.router.routes += router.routes
    refuse_unguarded(app)
    serve_health(app, prefix, {**health.checks(runtime), **(checks or {})})
    _serve_api_page(app, prefix, title)
    return app


def refuse_unguarded(app: FastAPI) -> None:
    """Raise `UnguardedRouteError` unless each route names permissions that exist, or says that it is public."""
    for route in iter_route_contexts(app.routes):
        if not _is_guarded(route) and route.path != app.openapi_url:
            message = f"{route.path} names no permission of shared/permissions.py and is not marked PUBLIC"
            raise UnguardedRouteError(message)


def _is_guarded(route: RouteContext) -> bool:
    if not isinstance(route.original_route, APIRoute):
        return False  # A plain route, a mount or a WebSocket cannot name a permission.
    named = permissions_of(route.dependant)
    public = (route.openapi_extra or {}).keys() & PUBLIC.keys()
    return bool(named or public) and named <= set(Permission)


def permissions_of(dependant: Dependant) -> set[str]:
    """Return the permissions that a route demands, through whatever it depends on."""
    named = set(dependant.own_oauth_scopes or ()) if dependant.call is authorise else set()
    return named.union(*(permissions_of(inner) for inner in dependant.dependencies))


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    limiter = anyio.to_thread.current_default_thread_limiter()
    limiter.total_tokens = max(limiter.total_tokens, POOL_SIZE) if app.state.runtime.shares_process else POOL_SIZE
    yield
    app.state.runtime.close()


def _serve_api_page(app: FastAPI, prefix: str, title: str) -> None:
    page = get_swagger_ui_html(
        openapi_url=f"{prefix}/openapi.json",
        title=title,
        swagger_js_url=f"{prefix}/docs/assets/swagger-ui-bundle.js",
        swagger_css_url=f"{prefix}/docs/assets/swagger-ui.css",
        swagger_favicon_url=f"{prefix}/docs/assets/favicon-32x32.png",
    )

    def docs() -> HTMLResponse:
        return page

    app.add_api_route(f"{prefix}/docs", docs, include_in_schema=False, response_model=None)
    app.mount(f"{prefix}/docs/assets", StaticFiles(directory=API_PAGE_ASSETS), name="assets")
