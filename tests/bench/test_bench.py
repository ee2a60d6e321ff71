"""The bench still works: a quick run of what needs no broker, and tables in their places on the page."""

import os
import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.bench.__main__ import MEASUREMENTS
from tests.bench.findings import QUICK, Finding, spread
from tests.bench.page import PAGE, table
from tests.bench.parts import Parts
from tests.harness import own_logging
from tests.requirements import require


@pytest.fixture(autouse=True)
def own_surroundings() -> Iterator[None]:
    """Take back what the bench, a program of its own, sets in its environment: other tests start processes in it."""
    with patch.dict(os.environ), own_logging():
        yield


def test_a_quick_run_finds_figures_for_posting_and_for_reading(tmp_path: Path) -> None:
    require("wrk", "the bench loads with it (Debian: apt install wrk)")

    with Parts(tmp_path / "bench") as parts:
        findings = {name: MEASUREMENTS[name](parts, QUICK) for name in ("post", "read")}
        parts.database.destroy()
        searched = pickle.loads((parts.state / "recorded.pickle").read_bytes())  # noqa: S301 - written by the bench

    assert any("INSERT INTO audit" in statement for statement, _ in searched.statements)
    assert len(findings["post"]) == 4
    assert all(re.match(r"[\d.,]+ requests/s", finding.figure) for finding in findings["read"][:-1])


def test_every_measurement_has_its_place_on_the_page() -> None:
    marked = re.findall(r"<!-- bench:(\w+) -->.*?<!-- end:\1 -->", PAGE.read_text(), re.DOTALL)

    assert sorted(marked) == sorted(MEASUREMENTS)


def test_a_table_says_what_was_met_and_what_was_not() -> None:
    written = table("x", [Finding("a", "1 ms", "2 ms", "≤ 3 ms", met=True), Finding("b", "9", met=False)], "a machine")

    assert "| a | 1 ms | 2 ms | ≤ 3 ms | met |" in written
    assert "| b | 9 | – | – | **not met** |" in written


@pytest.mark.parametrize(
    ("figures", "told"), [([1.234], "1.23"), ([3.0, 1.0, 2.0], "2 (1–3)"), ([1500.4, 10.0, 2000.0], "1,500 (10–2,000)")]
)
def test_a_figure_is_the_median_with_the_least_and_the_most(figures: list[float], told: str) -> None:
    assert spread(figures) == told
