"""Only tokens of the issuer, for us, with a role of ours, signed as their key may sign, are believed."""

import asyncio
import hashlib
import hmac
import json
import shutil
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from deploy.identity import ISSUER
from deploy.identity.keys import SigningKey, ensure_key, key_set, rotate, signing_keys
from shared.auth import KeySet, Verifier
from shared.permissions import ROLE_PERMISSIONS, Permission, Role
from tests.conftest import service_token
from tests.harness import Api, House
from tests.specimen import KeyServer, client_of, counts, dry_runtime, specimen

ACTOR = "/hotline/specimen/actor"


@pytest.fixture
def key_server() -> Iterator[KeyServer]:
    """Where a test's own issuer publishes its keys."""
    with KeyServer() as running:
        yield running


@pytest.fixture(scope="module")
def two_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of an issuer with an EC key, then an RSA key, which takes long to make."""
    folder = tmp_path_factory.mktemp("two_keys")
    folder.chmod(0o700)
    ensure_key(folder)
    rotate(folder, "RS256")
    return folder


@pytest.fixture
def state(two_keys: Path, tmp_path: Path, key_server: KeyServer) -> Path:
    """An issuer of this test's own, both its keys published."""
    folder = shutil.copytree(two_keys, tmp_path / "identity")
    key_server.published = key_set(folder)
    return folder


@pytest.fixture
def client(key_server: KeyServer) -> Api:
    """A client of a service that trusts the test's issuer; the route it calls needs no database."""
    app = specimen(dry_runtime())
    app.state.verifier = Verifier(ISSUER, "hotline", KeySet(key_server.url))
    return client_of(app)


def claims(**changes: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    good = {"iss": ISSUER, "aud": "baoho", "sub": "demo:officer", "roles": ["mission_officer"], "country": "TW"}
    merged = {**good, "iat": now, "exp": now + timedelta(minutes=5), **changes}
    return {name: value for name, value in merged.items() if value is not None}


def headers(key: SigningKey, kind: str | None = "at+jwt") -> dict[str, Any]:
    return {"kid": key.kid, "typ": kind}


def signed(key: SigningKey, algorithm: str | None = None, kind: str | None = "at+jwt", **changes: Any) -> str:
    return jwt.encode(claims(**changes), key.private, algorithm or key.algorithm, headers(key, kind))


def part(value: Any) -> str:
    return urlsafe_b64encode(json.dumps(value, default=datetime.timestamp).encode()).rstrip(b"=").decode()


def ask(client: Api, token: str) -> Any:
    return client.get(ACTOR, headers={"Authorization": f"Bearer {token}"})


def test_a_token_of_either_kind_of_key_is_believed(client: Api, state: Path) -> None:
    answers = [ask(client, signed(key)) for key in signing_keys(state)]

    assert [answer.json() for answer in answers] == [{"actor": "demo:officer"}] * 2


@pytest.mark.parametrize("header", [{}, {"Authorization": "Basic eDp5"}, {"Authorization": "Bearer"}])
def test_a_request_without_a_token_answers_401(client: Api, header: dict[str, str]) -> None:
    answer = client.get(ACTOR, headers=header)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["type"] == "urn:baoho:problem:unauthenticated"


@pytest.mark.parametrize(
    "garbage", ["x", "a.b.c", "..", "eyJhbGciOiJFUzI1NiJ9.e30.", "é", "\x7f", "a" * 5000, "e30.e30.e30"]
)
@pytest.mark.usefixtures("state")
def test_garbage_for_a_token_answers_401(client: Api, garbage: str) -> None:
    answer = client.get(ACTOR, headers={b"Authorization": f"Bearer {garbage}".encode()})

    assert answer.status_code == 401
    assert garbage not in answer.text or len(garbage) < 3


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": datetime(2020, 1, 1, tzinfo=UTC)},
        {"exp": None},
        {"iat": datetime(2100, 1, 1, tzinfo=UTC)},
        {"nbf": datetime(2100, 1, 1, tzinfo=UTC)},
        {"iss": "urn:elsewhere"},
        {"iss": None},
        {"aud": "account"},
        {"aud": "intake"},
        {"aud": None},
        {"aud": []},
        {"sub": None},
        {"roles": None},
        {"roles": []},
        {"roles": ["unheard_of"]},
        {"roles": "mission_officer"},
        {"roles": ["service"]},
        {"roles": ["mission_officer", "service"]},
        {"aud": "hotline"},
        {"aud": "hotline", "roles": ["service", "mission_officer"]},
        {"aud": ["baoho", "hotline"], "roles": ["service"]},
    ],
    ids=str,
)
def test_a_token_that_says_something_else_than_it_must_answers_401(
    client: Api, state: Path, changes: dict[str, Any]
) -> None:
    token = signed(signing_keys(state)[0], **changes)

    assert ask(client, token).status_code == 401


@pytest.mark.parametrize("kind", ["application/at+jwt", "AT+JWT"])
def test_an_access_token_is_one_in_every_spelling_of_its_type(client: Api, state: Path, kind: str) -> None:
    assert ask(client, signed(signing_keys(state)[0], kind=kind)).status_code == 200


@pytest.mark.parametrize("kind", ["JWT", "logout+jwt", "", None])
def test_a_token_that_is_no_access_token_answers_401_whatever_it_claims(
    client: Api, state: Path, kind: str | None
) -> None:
    assert ask(client, signed(signing_keys(state)[0], kind=kind)).status_code == 401


def test_a_token_of_a_key_the_issuer_does_not_publish_answers_401(client: Api, state: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    ensure_key(elsewhere)
    stranger, ours = signing_keys(elsewhere)[0], signing_keys(state)[0]

    in_its_name = jwt.encode(claims(), stranger.private, "ES256", headers(stranger))
    in_our_name = jwt.encode(claims(), stranger.private, "ES256", headers(ours))

    assert ask(client, in_its_name).status_code == 401
    assert ask(client, in_our_name).status_code == 401


def test_an_unsigned_token_answers_401(client: Api, state: Path) -> None:
    for algorithm in ("none", "None", "NONE", ""):
        header = {"alg": algorithm, "typ": "at+jwt", "kid": signing_keys(state)[0].kid}

        assert ask(client, f"{part(header)}.{part(claims())}.").status_code == 401


def test_a_token_signed_with_our_public_key_as_a_secret_answers_401(client: Api, state: Path) -> None:
    for key in signing_keys(state):
        public = key.private.public_key()
        pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        text = f"{part({'alg': 'HS256', 'typ': 'at+jwt', 'kid': key.kid})}.{part(claims())}"
        mac = urlsafe_b64encode(hmac.digest(pem, text.encode(), hashlib.sha256)).rstrip(b"=").decode()

        assert ask(client, f"{text}.{mac}").status_code == 401


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256"])
def test_a_key_used_with_another_algorithm_than_its_own_answers_401(client: Api, state: Path, algorithm: str) -> None:
    rsa = signing_keys(state)[1]
    assert isinstance(rsa.private, RSAPrivateKey)

    assert ask(client, signed(rsa, algorithm)).status_code == 401


def test_a_token_changed_after_it_was_signed_answers_401(client: Api, state: Path) -> None:
    header, _body, signature = signed(signing_keys(state)[0]).split(".")

    assert ask(client, f"{header}.{part(claims(roles=['hotline_operator']))}.{signature}").status_code == 401


def test_a_service_token_opens_only_the_service_it_was_made_for(house: House, token: Any) -> None:
    client, address = house.client("hotline"), "/hotline/v1/hand-overs/01920000-0000-7000-8000-000000000001"

    for_us = client.get(address, headers=token("service", client="intake", target="hotline"))
    for_another = client.get(address, headers=token("service", client="intake", target="referral"))

    assert for_us.status_code == 404
    assert for_another.status_code == 401


def test_a_service_learns_nothing_that_is_for_people(house: House, token: Any) -> None:
    answer = house.client("hotline").get(
        "/hotline/v1/cases", headers=token("service", client="intake", target="hotline")
    )

    assert answer.status_code == 403


def test_refused_tokens_are_counted_and_not_audited(house: House) -> None:
    client = house.client("hotline")

    for _ in range(3):
        client.get("/hotline/v1/cases", headers={"Authorization": "Bearer x"})

    assert "baoho_unauthenticated_total 3.0" in client.get("/hotline/metrics").text
    assert counts(house)["audit"] == 0


def test_a_refused_token_is_told_before_anything_about_the_body(client: Api) -> None:
    answer = client.post("/hotline/specimen/broken", json={"unknown": 1})

    assert answer.status_code == 401


def test_a_token_is_not_remembered_beyond_its_own_time(key_server: KeyServer, state: Path) -> None:
    app = specimen(dry_runtime())
    app.state.verifier = verifier = Verifier(ISSUER, "hotline", KeySet(key_server.url))
    token = signed(signing_keys(state)[0], exp=datetime.now(UTC) - timedelta(seconds=1))
    client = client_of(app)
    within_leeway = ask(client, token)

    remembered_until = [until for until, _principal in verifier._seen.values()]

    assert within_leeway.status_code == 200
    assert all(until < datetime.now(UTC).timestamp() for until in remembered_until)


def test_only_so_many_tokens_are_remembered(key_server: KeyServer, state: Path) -> None:
    verifier = Verifier(ISSUER, "hotline", KeySet(key_server.url), remembered=3)
    tokens = [signed(signing_keys(state)[0], sub=f"officer-{number}") for number in range(5)]

    subjects = [asyncio.run(verifier.principal(token)).subject for token in tokens]

    assert subjects == [f"officer-{number}" for number in range(5)]
    assert len(verifier._seen) == 3


def test_every_role_has_its_permissions_and_every_permission_a_role() -> None:
    given = frozenset[Permission]().union(*ROLE_PERMISSIONS.values())

    assert set(ROLE_PERMISSIONS) == set(Role)
    assert given == set(Permission)


def test_a_service_role_shares_no_permission_with_people(issuer: tuple[str, Path]) -> None:
    people = frozenset[Permission]().union(*(ROLE_PERMISSIONS[role] for role in Role if role is not Role.SERVICE))

    assert not people & ROLE_PERMISSIONS[Role.SERVICE]
    assert service_token(issuer[1], client="intake", target="hotline").count(".") == 2
