"""The issuer's folder: its keys, their names, their rotation, and who may read it."""

import hashlib
import json
import stat
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import jwt
import pytest

from deploy.identity import ISSUER, SERVICES
from deploy.identity.clients import UnknownClientError, client_secret, ensure_clients, is_client
from deploy.identity.keys import NoKeysError, ensure_key, key_set, rotate, sign, signing_keys
from deploy.identity.vault import OpenFolderError

ROOT = Path(__file__).parents[2]
FIRST_STARTS = 4
ROUNDS = 10
FIRST_START = """
import sys
from pathlib import Path
from deploy.identity.clients import client_secret, ensure_clients
from deploy.identity.keys import ensure_key, signing_keys
for line in sys.stdin:
    state = Path(line.rstrip())
    ensure_key(state)
    made = [key.kid for key in signing_keys(state)]
    ensure_clients(state)
    print(made, client_secret(state, "intake"), flush=True)
"""


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "var" / "identity"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def verified(state: Path, token: str) -> dict[str, object]:
    kid = jwt.get_unverified_header(token)["kid"]
    published = jwt.PyJWKSet.from_dict(key_set(state))[kid]
    claims: dict[str, object] = jwt.decode(token, published, issuer=ISSUER)
    return claims


def test_the_folder_and_every_file_in_it_are_closed_to_others(state: Path) -> None:
    ensure_key(state)
    ensure_clients(state)

    assert [mode(folder) for folder in (state.parent, state)] == [0o700, 0o700]
    assert {file.name: mode(file) for file in state.iterdir()} == {
        ".lock": 0o600,
        "clients.json": 0o600,
        "signing-0001.pem": 0o600,
    }


def test_a_folder_open_to_others_is_refused_and_left_as_it_is(state: Path) -> None:
    state.mkdir(parents=True)
    state.chmod(0o755)

    with pytest.raises(OpenFolderError, match="chmod 700"):
        ensure_key(state)

    assert mode(state) == 0o755
    assert list(state.iterdir()) == []


def test_a_second_start_keeps_the_key_and_the_secrets(state: Path) -> None:
    ensure_key(state)
    ensure_clients(state)
    before = {file.name: file.read_bytes() for file in state.iterdir()}

    ensure_key(state)
    ensure_clients(state)

    assert {file.name: file.read_bytes() for file in state.iterdir()} == before


@pytest.fixture
def starters() -> Iterator[list[subprocess.Popen[str]]]:
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", FIRST_START],
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    bufsize=1,
                )
            )
            for _ in range(FIRST_STARTS)
        ]


def first_starts(starters: list[subprocess.Popen[str]], state: Path) -> set[str]:
    pipes = [(starter.stdin, starter.stdout) for starter in starters]
    for stdin, _ in pipes:
        assert stdin is not None
        stdin.write(f"{state}\n")
    return {stdout.readline() for _, stdout in pipes if stdout is not None}


def test_several_first_starts_at_once_make_one_key_and_one_set_of_secrets(
    tmp_path: Path, starters: list[subprocess.Popen[str]]
) -> None:
    first_starts(starters, tmp_path / "to-have-them-all-running")

    seen = [first_starts(starters, tmp_path / f"round-{n}" / "identity") for n in range(ROUNDS)]

    assert [len(answers) for answers in seen] == [1] * ROUNDS
    assert "" not in set().union(*seen)


def test_the_first_key_is_es256_and_named_by_its_thumbprint(state: Path) -> None:
    ensure_key(state)

    [jwk] = key_set(state)["keys"]

    canonical = json.dumps({m: jwk[m] for m in ("crv", "kty", "x", "y")}, separators=(",", ":")).encode()
    thumbprint = urlsafe_b64encode(hashlib.sha256(canonical).digest()).decode().rstrip("=")
    assert jwk | {"x": "", "y": ""} == {
        "kty": "EC",
        "crv": "P-256",
        "x": "",
        "y": "",
        "alg": "ES256",
        "use": "sig",
        "kid": thumbprint,
    }


def test_a_thumbprint_is_the_one_rfc_7638_computes_for_an_rsa_key(state: Path) -> None:
    kid = rotate(state, "RS256")

    [jwk] = key_set(state)["keys"]

    canonical = f'{{"e":"{jwk["e"]}","kty":"RSA","n":"{jwk["n"]}"}}'.encode()
    assert kid == jwk["kid"] == urlsafe_b64encode(hashlib.sha256(canonical).digest()).decode().rstrip("=")
    assert (jwk["alg"], jwk["e"]) == ("RS256", "AQAB")


def test_the_newest_key_signs_and_an_older_token_stays_valid(state: Path) -> None:
    ensure_key(state)
    old = sign(state, {"sub": "demo:auditor"}, timedelta(hours=1))

    kids = [rotate(state), rotate(state, "RS256")]

    new = sign(state, {"sub": "demo:analyst"}, timedelta(hours=1))
    assert jwt.get_unverified_header(new) == {"alg": "RS256", "kid": kids[-1], "typ": "at+jwt"}
    assert [key.kid for key in signing_keys(state)][1:] == kids
    assert verified(state, old)["sub"] == "demo:auditor"
    assert verified(state, new)["sub"] == "demo:analyst"


def test_deleting_a_key_retires_it(state: Path) -> None:
    ensure_key(state)
    old = sign(state, {"sub": "demo:auditor"}, timedelta(hours=1))
    rotate(state)

    (state / "signing-0001.pem").unlink()

    with pytest.raises(KeyError):
        verified(state, old)


def test_a_token_carries_the_issuer_its_times_and_an_id_of_its_own(state: Path) -> None:
    ensure_key(state)

    first, second = (verified(state, sign(state, {"sub": "a"}, timedelta(minutes=5))) for _ in range(2))

    assert first.keys() == {"sub", "iss", "iat", "nbf", "exp", "jti"}
    assert first["nbf"] == first["iat"]
    assert first["exp"] == int(str(first["iat"])) + 300
    assert first["jti"] != second["jti"]


def test_a_folder_without_keys_says_how_to_make_them(state: Path) -> None:
    with pytest.raises(NoKeysError, match="start `make run` first"):
        key_set(state)


def test_every_service_has_a_long_secret_of_its_own(state: Path) -> None:
    ensure_clients(state)

    secrets = {client_secret(state, name) for name in SERVICES}

    assert len(secrets) == len(SERVICES)
    assert all(len(secret) == 43 for secret in secrets)


def test_a_service_without_a_secret_gets_one_and_the_others_keep_theirs(state: Path) -> None:
    ensure_clients(state)
    kept = client_secret(state, "hotline")
    (state / "clients.json").write_text(json.dumps({"hotline": kept}))

    ensure_clients(state)

    assert client_secret(state, "hotline") == kept
    assert client_secret(state, "intake") != kept


def test_a_client_is_known_by_its_own_secret_only(state: Path) -> None:
    ensure_clients(state)
    secret = client_secret(state, "intake")

    answers = [is_client(state, *pair) for pair in (("intake", secret), ("hotline", secret), ("nobody", secret))]

    assert answers == [True, False, False]
    assert not is_client(state, "intake", "mật khẩu")


def test_an_unknown_client_has_no_secret(state: Path) -> None:
    ensure_clients(state)

    with pytest.raises(UnknownClientError, match="'nobody'"):
        client_secret(state, "nobody")
