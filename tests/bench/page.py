"""The page of figures: prose by hand, tables between marks, renewed by the command that measured them."""

import re
from pathlib import Path

from tests.bench.findings import HEAD, Finding

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"


def table(name: str, findings: list[Finding], machine: str) -> str:
    """Return what stands between the marks of one measurement."""
    return "\n".join(
        [f"<!-- bench:{name} -->", HEAD, *(finding.row() for finding in findings), "", f"*{machine}*", _end(name)]
    )


def renew(name: str, findings: list[Finding], machine: str) -> None:
    """Put a measurement's table into the page, in place of the one before."""
    page = PAGE.read_text()
    between = re.compile(rf"<!-- bench:{name} -->.*?{_end(name)}", re.DOTALL)
    if not between.search(page):
        raise SystemExit(f"bench: {PAGE.name} has no place marked for {name}")
    PAGE.write_text(between.sub(lambda _: table(name, findings, machine), page))


def _end(name: str) -> str:
    return f"<!-- end:{name} -->"
