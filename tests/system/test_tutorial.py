"""The README's tutorial, run as it stands: its commands, and the answers it shows."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.postgres import Server
from tests.harness import free_port
from tests.requirements import require
from tests.system.commands import PATIENCE, ROOT, Running, environment

pytestmark = [pytest.mark.timeout(300)]

BLOCK = re.compile(r"^```(sh|json|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
END = "--- end of block ---"


def tutorial() -> list[tuple[str, str]]:
    """Return the kinds and texts of the tutorial's blocks."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return BLOCK.findall(text.split("## Tutorial")[1].split("## The house")[0])


def matches(shown: Any, answered: Any) -> bool:
    """Compare an answer with the one shown; `…` stands for what differs each time."""
    if shown == "…":
        return True
    if isinstance(shown, dict):
        return isinstance(answered, dict) and all(matches(value, answered.get(name)) for name, value in shown.items())
    if isinstance(shown, list):
        return len(shown) == len(answered) and all(matches(*pair) for pair in zip(shown, answered, strict=True))
    return bool(shown == answered)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    port, state = free_port(), tmp_path / "var"
    with Running("deploy.local", "--port", str(port), "--state", str(state)) as running:
        running.wait_for("make demo")
        yield port, state
    Server(state / "postgres").destroy()


def test_every_command_of_the_tutorial_works_and_answers_as_shown(house: tuple[int, Path]) -> None:
    require("curl", "install curl")
    port, state = house
    blocks = tutorial()
    commands = [text for kind, text in blocks if kind == "sh"]
    script = f"\necho '{END}'\n".join(commands).replace("127.0.0.1:8000", f"127.0.0.1:{port}")

    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=ROOT,
        env={**environment(), "STATE": str(state)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
    outputs = iter(ran.stdout.split(END))
    output = ""
    for kind, text in blocks:
        if kind == "sh":
            output = next(outputs).strip()
        elif kind == "text":
            assert output == text.strip()
        else:
            assert matches(json.loads(text), json.loads(output)), output
