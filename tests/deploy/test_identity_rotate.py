"""The issuer's signing key is rotated under a running service: old tokens live on, new ones count at once."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest

from deploy.identity import rotate
from deploy.identity.demo import mint
from deploy.identity.keys import ensure_key, sign, signing_keys
from shared.auth import KeySet
from tests.harness import House


@pytest.fixture
def rotating(issuer: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The issuer of all tests, whose key is put back; an unknown key is asked for at once, not at most every 5 s."""
    monkeypatch.setattr(KeySet, "_is_due", lambda self, kid: kid not in self._keys)
    kept = set(issuer[1].glob("signing-*.pem"))
    yield issuer[1]
    for added in set(issuer[1].glob("signing-*.pem")) - kept:
        added.unlink()


def test_tokens_of_the_old_and_the_new_key_are_taken_by_a_service_that_runs(
    house: House, rotating: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = mint(rotating, "hotline_operator")
    client = house.client("hotline")

    def status(token: str) -> int:
        return int(client.get("/hotline/v1/cases", headers={"Authorization": f"Bearer {token}"}).status_code)

    first = status(before)
    ended = rotate.main(["--state", str(rotating)])
    after = mint(rotating, "hotline_operator")

    assert f"{kid_of(after)} signs" in capsys.readouterr().out
    assert (first, ended) == (200, 0)
    assert kid_of(before) != kid_of(after)
    assert (status(before), status(after)) == (200, 200)


def test_a_retired_key_is_gone_and_the_one_that_signs_cannot_be_retired(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tmp_path.chmod(0o700)
    ensure_key(tmp_path)
    old = signing_keys(tmp_path)[0].kid
    rotate.main(["--state", str(tmp_path)])
    new = kid_of(sign(tmp_path, {}, timedelta(minutes=1)))

    ended = [rotate.main(["--state", str(tmp_path), f"--retire={kid}"]) for kid in (new, old, old)]

    assert ended == [2, 0, 2]
    assert [key.kid for key in signing_keys(tmp_path)] == [new]
    assert "This key signs" in capsys.readouterr().err


def test_without_an_issuer_there_is_nothing_to_retire(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)

    assert rotate.main(["--state", str(tmp_path), "--retire=-any"]) == 2


def kid_of(token: str) -> Any:
    return jwt.get_unverified_header(token)["kid"]
