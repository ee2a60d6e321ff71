"""The complaint that is posted, and the statements which the service sends for one: recorded, for the bare handler to send."""

import json
import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from logging import WARNING
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psycopg

from services.intake import app
from services.intake.runtime import runtime as open_runtime
from services.intake.settings import Settings
from shared import logging
from shared.driver import COMMIT
from tests.bench.load import Request
from tests.bench.parts import Parts
from tests.harness import Api

PATH = "/intake/v1/cases"
BODY = {
    "person": {
        "name": "Nguyễn Thị Hằng",
        "born_on": "1996-03-08",
        "sex": "female",
        "document": "cccd",
        "document_number": "0401NUMBER",
        "phone": "0981848484",
    },
    "channel": "walk_in",
    "country": "TW",
    "complaint_types": ["broker_fee", "document_retention"],
    "narrative": "Công ty thu 190 triệu và giữ hộ chiếu của chị. " * 10,
    "respondent": "agency",
    "received_on": "2026-01-05",
}


@dataclass(slots=True)
class Recorded:
    """One request's statements, each with its parameters, and what was answered."""

    repeats: bool
    """Whether it may be sent again as it is; else each time with new ids."""
    statements: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    answer: bytes = b""


def posting(parts: Parts) -> Request:
    """Return the request: a new person and a new key each time."""
    return Request("POST", [PATH], parts.token("osso_officer"), json.dumps(BODY), keyed=True)


def record(parts: Parts, database: str) -> Path:
    """Post one complaint in this process and keep, in a file, what was sent to the database for it."""
    recorded = Recorded(repeats=False)
    with _api(parts, database) as api:
        for number in ("00000001", "00000002"):
            with _listening() as recorded.statements:
                answer = api.post(PATH, content=json.dumps(BODY).replace("NUMBER", number))
            recorded.answer = answer.raise_for_status().content
    return _kept(parts, recorded)


def record_reading(parts: Parts, database: str, request: Request) -> Path:
    """Read in this process and keep, in a file, what was sent to the database for it."""
    recorded = Recorded(repeats=True)
    with _api(parts, database) as api:
        for path in request.paths[:2]:
            with _listening() as recorded.statements:
                answer = api.request(request.method, path, content=request.body)
            recorded.answer = answer.raise_for_status().content
    return _kept(parts, recorded)


@contextmanager
def _api(parts: Parts, database: str) -> Iterator[Api]:
    """Answer in this process, an officer being who asks."""
    logging.configure("bench", level=WARNING)
    os.environ.update(parts.environment)
    runtime = open_runtime(Settings(database_url=parts.database.url("intake", database=database)))
    headers = {"Authorization": f"Bearer {parts.token('osso_officer')}", "Content-Type": "application/json"}
    try:
        yield Api(app.build(runtime), base_url="http://127.0.0.1", headers=headers)
    finally:
        runtime.close()


def _kept(parts: Parts, recorded: Recorded) -> Path:
    kept = parts.state / "recorded.pickle"
    kept.write_bytes(pickle.dumps(recorded))
    return kept


@contextmanager
def _listening() -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """Note what is given to the driver, BEGIN and COMMIT left out: the bare handler says them itself where it must."""
    statements: list[tuple[str, dict[str, Any]]] = []
    execute = psycopg.Cursor.execute

    def noting(cursor: Any, query: Any, params: Any = None, **options: Any) -> Any:
        if isinstance(query, str) and query != COMMIT:
            statements.append((query, dict(params or {})))
        return execute(cursor, query, params, **options)

    with patch.object(psycopg.Cursor, "execute", noting):
        yield statements
