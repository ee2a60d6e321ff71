"""Around every request: one correlation id, the caller's address as the gateway saw it, one line of log, one measurement."""

import asyncio
import re
import time
from typing import Any

import structlog
from opentelemetry.trace import Span, SpanKind
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared import errors, problems
from shared.ids import new_id
from shared.logging import get_logger
from shared.metrics import Metrics
from shared.runtime import Runtime
from shared.settings import ServiceSettings
from shared.telemetry import HEADER, span

CORRELATION_FORM = re.compile(r"[A-Za-z0-9-]{1,64}")

log = get_logger("request")


class RequestContext:
    """Pure ASGI, so that it costs little and never buffers."""

    def __init__(self, app: ASGIApp, settings: ServiceSettings, service: str) -> None:
        self.app = app
        self.service = service
        self.proxies = {part.strip() for part in settings.trusted_proxies.split(",") if part.strip()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        sent = headers.get("x-correlation-id", "")
        correlation_id = sent if CORRELATION_FORM.fullmatch(sent) else str(new_id())
        state = scope.setdefault("state", {})
        state.update(correlation_id=correlation_id, address=self._address(scope, headers))
        began, status, started = time.perf_counter(), 500, False

        async def answer(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                status, started = message["status"], True
                MutableHeaders(scope=message)["X-Correlation-Id"] = correlation_id
            await send(message)

        runtime: Runtime = scope["app"].state.runtime
        with (
            structlog.contextvars.bound_contextvars(service=self.service, correlation_id=correlation_id),
            span(runtime.tracer, scope["method"], SpanKind.SERVER, headers.get(HEADER)) as traced,
        ):
            try:
                await self.app(scope, receive, answer)
            except asyncio.CancelledError:
                if started:
                    raise
                # The process ends and cannot wait: whether it was done, the same request tells, sent again.
                await problems.render(Request(scope), errors.Unavailable())(scope, receive, answer)
            except Exception as error:
                if started:
                    raise
                # Answered here and not by Starlette's outermost layer, where the correlation id is gone already.
                await (await problems.unexpected(Request(scope), error))(scope, receive, answer)
            finally:
                self._tell(scope, traced, status, time.perf_counter() - began)

    def _tell(self, scope: Scope, traced: Span, status: int, seconds: float) -> None:
        route: Any = scope.get("route")
        path = getattr(route, "path", "unmatched")
        traced.update_name(f"{scope['method']} {path}")
        traced.set_attributes({"http.route": path, "http.response.status_code": status})
        if path.startswith("/") and path.endswith(("livez", "readyz", "metrics")):
            return
        metrics: Metrics = scope["app"].state.metrics
        metrics.requests.labels(scope["method"], path, status).observe(seconds)
        log.info("request", method=scope["method"], route=path, status=status, ms=round(seconds * 1000, 1))

    def _address(self, scope: Scope, headers: Headers) -> str | None:
        peer: str | None = scope["client"][0] if scope.get("client") else None
        forwarded = headers.get("x-forwarded-for")
        if forwarded and peer in self.proxies:
            return forwarded.rpartition(",")[2].strip()
        return peer
