"""Logs tell what happened, where and in which conversation; never what was in it."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from shared.logging import where
from tests.specimen import CANARY

CANARY_ASCII = "Canary-090123"
PROGRAM = """
import logging as library_logging
from shared import logging
from tests.specimen import client_of, dry_runtime, new_case, specimen

logging.configure("hotline")
log = logging.get_logger("test")
log.info("case_opened", case_id=7, name_of_list="Nguyễn")
try:
    raise ValueError("Canary-090123")
except ValueError as error:
    log.error("failed", error=logging.where(error))
    library_logging.getLogger("library").exception("library failed")
    log.exception("failed_with_its_frames")
library_logging.getLogger("library").info("chatter of a library")
library_logging.getLogger("library").warning("warned %s", "of this")
client = client_of(specimen(dry_runtime()))
sheets = "/hotline/specimen/sheets"
client.post(sheets, json={"number": "Canary-090123"}, headers={"X-Correlation-Id": "conversation-7"})
client.get(sheets + "/Canary-090123?term=Canary-090123", headers={"X-Correlation-Id": "Canary 090123"})
client.get("/hotline/Canary-090123")
client.get("/hotline/livez")
client.get("/hotline/specimen/actor", headers={"Authorization": "Bearer Canary-090123"})
"""


@pytest.fixture(scope="module")
def lines() -> list[dict[str, Any]]:
    """What a process logs that is no terminal's: one JSON object a line."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM],
        check=False,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "ENV": "development", "PYTHONIOENCODING": "utf-8"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert CANARY_ASCII not in done.stderr
    return [json.loads(line) for line in done.stderr.splitlines()]


def named(lines: list[dict[str, Any]], event: str) -> list[dict[str, Any]]:
    return [line for line in lines if line["event"] == event]


def test_every_line_is_json_with_service_level_and_instant(lines: list[dict[str, Any]]) -> None:
    assert {line["service"] for line in lines} == {"hotline"}
    assert all({"level", "timestamp"} <= line.keys() for line in lines)
    assert named(lines, "case_opened")[0]["name_of_list"] == "Nguyễn"


def test_every_request_is_one_line_with_its_route_and_correlation_id(lines: list[dict[str, Any]]) -> None:
    requests = named(lines, "request")

    assert [(line["route"], line["status"]) for line in requests] == [
        ("/hotline/specimen/sheets", 422),
        ("/hotline/specimen/sheets/{name}", 200),
        ("unmatched", 404),
        ("/hotline/specimen/actor", 401),
    ]
    assert requests[0]["correlation_id"] == "conversation-7"
    assert len({line["correlation_id"] for line in requests}) == 4


def test_an_error_is_told_by_kind_and_place_also_when_a_library_logs_it(lines: list[dict[str, Any]]) -> None:
    for event in ("failed", "library failed", "failed_with_its_frames"):
        (line,) = named(lines, event)
        assert line["error"].startswith("ValueError at <string>:")
        assert "exc_info" not in line


def test_of_libraries_only_warnings_are_told(lines: list[dict[str, Any]]) -> None:
    assert named(lines, "chatter of a library") == []
    assert len(named(lines, "warned of this")) == 1


def test_where_tells_the_frames_and_never_the_text() -> None:
    def inner() -> None:
        raise KeyError(CANARY)

    try:
        inner()
    except KeyError as error:
        told = where(error)

    assert told.startswith("KeyError at test_logging.py:")
    assert told.endswith(":inner")
    assert CANARY not in told


def test_where_tells_the_last_frames_of_a_deep_error_and_copes_with_none() -> None:
    def deep(more: int) -> None:
        if more == 0:
            raise ValueError(CANARY)
        deep(more - 1)

    try:
        deep(20)
    except ValueError as error:
        told = where(error)

    assert told.count(" > ") == 5
    assert where(ValueError(CANARY)) == "ValueError at "
