"""What every process answers to probes and scrapes: is it alive, is it ready, and its figures."""

from collections.abc import Mapping
from typing import Any

import prometheus_client
from fastapi import FastAPI, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from fastapi.telemetry import TelemetryConfig

from shared import health
from shared.health import Check
from shared.runtime import Runtime

TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""FastAPI's own is off, whatever the environment says: it tells paths, queries and exceptions as they came."""


def serve_health(app: FastAPI, prefix: str, checks: Mapping[str, Check]) -> None:
    """Serve `livez` (the process runs), `readyz` (its checks hold) and `metrics` (Prometheus) below `prefix`."""
    runtime: Runtime = app.state.runtime

    def livez() -> dict[str, str]:
        return {"status": "ok"}

    async def readyz() -> JSONResponse:
        results = await run_in_threadpool(health.run, checks)
        return JSONResponse(results, 200 if all(results.values()) else 503)

    def metrics() -> Response:
        results = health.run(checks)
        app.state.metrics.ready.set(all(results.values()))
        if results.get("database", True):
            health.measure(runtime, app.state.metrics)
        return Response(
            prometheus_client.generate_latest(app.state.metrics.registry), media_type="text/plain; version=0.0.4"
        )

    plain: Any = {"include_in_schema": False, "response_model": None}
    app.add_api_route(f"{prefix}/livez", livez, **plain)
    app.add_api_route(f"{prefix}/readyz", readyz, **plain)
    app.add_api_route(f"{prefix}/metrics", metrics, **plain)
