"""The table of proofs names tests that exist."""

import re
from pathlib import Path

HOUSE = Path(__file__).parents[1]
NAMED = re.compile(r"`(test_\w+)`")
DEFINED = re.compile(r"^(?:async )?def (test_\w+)", re.MULTILINE)


def test_every_test_that_the_table_of_proofs_names_exists() -> None:
    named = set(NAMED.findall((HOUSE / "docs" / "proofs.md").read_text(encoding="utf-8")))

    defined = {
        name
        for path in (HOUSE / "tests").rglob("test_*.py")
        for name in DEFINED.findall(path.read_text(encoding="utf-8"))
    }

    assert len(named) > 30
    assert named - defined == set()
