"""What the house is made of, as an auditor of dependencies reads it."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.deploy.test_lock import LOCK
from tests.system.commands import ROOT

PIN = re.compile(r"^([A-Za-z0-9].*?==.*?) \\\\$", re.MULTILINE)


def pinned_here() -> dict[str, str]:
    """Return what the lock pins for this Python on this system."""
    wanted = [Requirement(line) for line in PIN.findall(LOCK.read_text())]
    here = [each for each in wanted if each.marker is None or each.marker.evaluate()]
    return {canonicalize_name(each.name): str(each.specifier).removeprefix("==") for each in here}


def test_every_pinned_package_is_named_with_its_version(tmp_path: Path) -> None:
    """`make sbom` also validates what it wrote, which takes a while and is the tool's own matter."""
    wanted = {
        "SBOM": str(tmp_path / "sbom.json"),
        "SBOM_OPTIONS": "--no-validate",
        "venv": str(Path(sys.executable).parent),
    }
    values = [f"{name}={value}" for name, value in wanted.items()]

    made = subprocess.run(
        ["make", "-s", "-o", ".venv/.installed", "sbom", *values], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert made.returncode == 0, made.stderr
    bill = json.loads((tmp_path / "sbom.json").read_text())
    named: dict[str, Any] = {canonicalize_name(each["name"]): each for each in bill["components"]}
    missing = {name for name, version in pinned_here().items() if named.get(name, {}).get("version") != version}
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["name"] == "baoho"
    assert missing == set()
    assert named["fastapi"]["licenses"] == [{"license": {"acknowledgement": "declared", "id": "MIT"}}]
