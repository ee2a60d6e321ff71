"""The reference pages are what the code says; `make docs` writes them anew."""

import re

import pytest

from deploy.reference import FOLDER, pages
from tests.system.commands import ROOT


@pytest.mark.parametrize("name", pages())
def test_a_reference_page_is_not_stale(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == pages()[name], "run make docs"


def test_make_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = makefile.split(".PHONY: ")[1].split("\n")[0].split()

    undescribed = [name for name in targets if not re.search(rf"^{name}:.*## \S", makefile, re.MULTILINE)]

    assert undescribed == []


def test_every_link_between_our_pages_leads_somewhere() -> None:
    pages_of_ours = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "services").glob("*/README.md")]
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages_of_ours
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]

    assert broken == []


def test_every_test_that_our_pages_name_is_there() -> None:
    pages_of_ours = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    named = {
        (path, name)
        for page in pages_of_ours
        for path, name in re.findall(r"`(tests/[\w/.]+\.py)::(test_\w+)", page.read_text(encoding="utf-8"))
    }

    gone = [
        f"{path}::{name}" for path, name in named if f"def {name}(" not in (ROOT / path).read_text(encoding="utf-8")
    ]

    assert gone == []
    assert named
