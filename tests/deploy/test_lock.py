"""The lock: what it pins installs from itself alone, today and after newer versions are out."""

import re
from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCK = Path(__file__).parents[2] / "requirements.lock"
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[([^\]]*)\])?==", re.MULTILINE)


def test_every_extra_that_a_pinned_package_asks_for_is_pinned_with_it() -> None:
    """Otherwise pip looks for the newest version of that extra, which has no hash here, and installs nothing."""
    pinned = {
        canonicalize_name(name): {extra.strip() for extra in (extras or "").split(",") if extra.strip()}
        for name, extras in PIN.findall(LOCK.read_text())
    }

    unpinned = [
        f"{found.name} asks for {wanted}"
        for found in distributions()
        if canonicalize_name(found.name) in pinned
        for wanted in map(Requirement, found.requires or ())
        if wanted.extras and (wanted.marker is None or wanted.marker.evaluate({"extra": ""}))
        if not wanted.extras <= pinned.get(canonicalize_name(wanted.name), wanted.extras)
    ]

    assert unpinned == []


def test_the_lock_names_no_index() -> None:
    assert not re.search(r"^\s*--(index-url|extra-index-url|find-links)", LOCK.read_text(), re.MULTILINE)
