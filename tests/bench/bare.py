"""The limit: a bare FastAPI handler that sends the recorded statements through psycopg; only what must differ is new."""

import os
import pickle
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from fastapi import FastAPI, Response
from psycopg_pool import ConnectionPool

from shared.db import OPTIONS, POOL_SIZE, conninfo
from shared.process import freeze

Hole = tuple[str, Callable[[list[UUID]], Any]]
DRAWN: dict[str, Callable[[list[UUID]], Any]] = {
    "key_macs": lambda _ids: [secrets.token_bytes(32)],
    "key_mac": lambda _ids: secrets.token_bytes(32),
    "locks": lambda _ids: [secrets.randbits(62)],
    "number_blind": lambda _ids: secrets.token_bytes(32),
    "reference": lambda _ids: secrets.token_hex(8),
}
"""Parameters that no two requests may share, by how their names begin."""


def create() -> FastAPI:
    """Return the app: handlers to read, to list, to search and to post, and a pool as large as the service's."""
    recorded = pickle.loads(Path(os.environ["BENCH_RECORDED"]).read_bytes())  # noqa: S301 - written by the bench itself
    statements, ids = prepared(recorded.statements, repeats=recorded.repeats)
    url = conninfo(os.environ["INTAKE_DATABASE_URL"])
    # What reads, and tells the trail in one statement, is no transaction of several with the service either.
    connecting = {"options": OPTIONS, "autocommit": recorded.repeats}
    pool = ConnectionPool(url, kwargs=connecting, open=False, min_size=POOL_SIZE, max_size=POOL_SIZE)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        pool.open(wait=True)
        yield
        pool.close()

    app = FastAPI(lifespan=lifespan)

    @app.get("/readyz")
    async def readyz() -> dict[str, str]:
        return {"status": "ok"}

    def send(status: int) -> Response:
        new = [uuid4() for _ in range(ids)]
        with pool.connection() as connection, connection.cursor() as cursor:
            for text, fixed, holes in statements:
                cursor.execute(text, fixed | {name: fill(new) for name, fill in holes})
                if cursor.description:
                    cursor.fetchall()
        return Response(recorded.answer, status, media_type="application/json")

    @app.get("/intake/v1/cases/{_case_id}")
    def read(_case_id: UUID) -> Response:
        return send(200)

    @app.get("/intake/v1/cases")
    def listed() -> Response:
        return send(200)

    @app.post("/intake/v1/people/search")
    def search(_body: dict[str, Any]) -> Response:
        return send(200)

    @app.post("/intake/v1/cases", status_code=201)
    def register(_body: dict[str, Any]) -> Response:
        return send(201)

    freeze()
    return app


def prepared(
    statements: list[tuple[str, dict[str, Any]]], *, repeats: bool = False
) -> tuple[list[tuple[str, dict[str, Any], list[Hole]]], int]:
    """Return each statement with the values that stay and the holes for those that do not, and how many ids to draw."""
    if repeats:
        return [(text, row, []) for text, row in statements], 0
    places: dict[UUID, int] = {}
    for value in (value for _, row in statements for value in row.values() if isinstance(value, UUID)):
        places.setdefault(value, len(places))
    texts = {str(known): place for known, place in places.items()}
    return [(text, row, _holes(row, places, texts)) for text, row in statements], len(places)


def _holes(row: dict[str, Any], places: dict[UUID, int], texts: dict[str, int]) -> list[Hole]:
    return [(name, hole) for name, value in row.items() if (hole := _hole(name, value, places, texts))]


def _hole(name: str, value: Any, places: dict[UUID, int], texts: dict[str, int]) -> Callable[[list[UUID]], Any] | None:
    if isinstance(value, UUID):
        place = places[value]
        return lambda ids: ids[place]
    if isinstance(value, str) and value in texts:
        known = texts[value]
        return lambda ids: str(ids[known])
    return next((draw for begin, draw in DRAWN.items() if name.startswith(begin)), None)
