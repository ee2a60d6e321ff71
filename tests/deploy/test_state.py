"""What a house keeps between runs: secrets made once, kept for good, and completed when a newer version needs more."""

import json
import stat
from pathlib import Path

import pytest

from deploy.state import SECRETS, StateError, open_state, secrets_of
from deploy.topology import SERVICES
from shared.settings import parse_key


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return open_state(tmp_path / "var")


def test_secrets_are_made_at_the_first_run_and_the_same_ever_after(folder: Path) -> None:
    made = secrets_of(folder)

    assert secrets_of(folder) == made
    assert stat.S_IMODE((folder / SECRETS).stat().st_mode) == 0o600


def test_every_service_seals_its_trail_with_a_key_of_its_own(folder: Path) -> None:
    made = secrets_of(folder)

    keys = [made[service.audit_setting].partition(":")[2] for service in SERVICES]

    assert len({parse_key(key) for key in keys}) == len(SERVICES)


def test_an_older_house_is_given_what_it_lacks_and_keeps_what_it_has(folder: Path) -> None:
    made = secrets_of(folder)
    older = {name: value for name, value in made.items() if not name.endswith("_AUDIT_KEYS")}
    (folder / SECRETS).write_text(json.dumps(older), encoding="utf-8")

    completed = secrets_of(folder)

    assert completed.keys() == made.keys()
    assert {name: completed[name] for name in older} == older
    assert secrets_of(folder) == completed
    assert stat.S_IMODE((folder / SECRETS).stat().st_mode) == 0o600


def test_secrets_that_cannot_be_read_are_left_as_they_are(folder: Path) -> None:
    (folder / SECRETS).write_text("{half", encoding="utf-8")

    with pytest.raises(StateError, match="broken"):
        secrets_of(folder)

    assert (folder / SECRETS).read_text(encoding="utf-8") == "{half"
