"""The issuer's key set: new keys are taken up, known ones outlive the issuer, and nobody can make us hammer it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.identity import ISSUER
from deploy.identity.demo import mint
from deploy.identity.keys import ensure_key, key_set, rotate, signing_keys
from shared.auth import KeySet, Verifier
from shared.errors import Unavailable
from tests.specimen import KeyServer, client_of, dry_runtime, specimen

EAGER = {"min_interval": 0.0, "max_age": 0.0}
ACTOR = "/hotline/specimen/actor"


@pytest.fixture
def key_server() -> Iterator[KeyServer]:
    """Where a test's own issuer publishes its keys."""
    with KeyServer() as running:
        yield running


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The folder of an issuer with one key."""
    folder = tmp_path / "identity"
    folder.mkdir(mode=0o700)
    ensure_key(folder)
    return folder


def keys_of(key_server: KeyServer, **options: Any) -> KeySet:
    return KeySet(key_server.url, **options)


def test_a_key_the_issuer_adds_is_taken_up_and_the_old_one_still_serves(key_server: KeyServer, state: Path) -> None:
    key_server.published = key_set(state)
    app = specimen(dry_runtime())
    app.state.verifier = Verifier(ISSUER, "hotline", keys_of(key_server, min_interval=0.0))
    client = client_of(app)
    old = mint(state, "mission_officer")
    before = client.get(ACTOR, headers={"Authorization": f"Bearer {old}"})

    rotate(state, "RS256")
    key_server.published = key_set(state)
    new = mint(state, "mission_officer")

    after = [client.get(ACTOR, headers={"Authorization": f"Bearer {text}"}) for text in (new, old)]
    assert [answer.status_code for answer in (before, *after)] == [200, 200, 200]


def test_a_key_the_issuer_retires_is_let_go_when_the_set_ages(key_server: KeyServer, state: Path) -> None:
    retired = signing_keys(state)[0].kid
    key_server.published = key_set(state)
    keys = keys_of(key_server, **EAGER)
    known = asyncio.run(keys.key(retired))

    rotate(state)
    key_server.published = {"keys": [key for key in key_set(state)["keys"] if key["kid"] != retired]}

    assert known is not None
    assert asyncio.run(keys.key(retired)) is None


def test_many_unknown_keys_at_once_make_one_fetch(key_server: KeyServer, state: Path) -> None:
    key_server.published = key_set(state)
    keys = keys_of(key_server)

    async def many() -> list[Any]:
        return await asyncio.gather(*(keys.key(f"unknown{number}") for number in range(200)))

    found = asyncio.run(many())

    assert found == [None] * 200
    assert key_server.hits == 1


def test_known_keys_are_not_fetched_again_while_they_are_young(key_server: KeyServer, state: Path) -> None:
    key_server.published = key_set(state)
    keys, kid = keys_of(key_server), signing_keys(state)[0].kid

    for _ in range(50):
        assert asyncio.run(keys.key(kid)) is not None

    assert key_server.hits == 1


@pytest.mark.parametrize(
    "published",
    [[], {}, {"keys": []}, {"keys": None}, {"keys": [1, None, {}]}, {"keys": [{"kid": 7}]}, "keys", {"keys": {"a": 1}}],
    ids=str,
)
def test_known_keys_keep_working_when_the_issuer_publishes_nonsense(
    key_server: KeyServer, state: Path, published: Any
) -> None:
    kid = signing_keys(state)[0].kid
    key_server.published = key_set(state)
    keys = keys_of(key_server, **EAGER)
    asyncio.run(keys.key(kid))

    key_server.published = published

    assert asyncio.run(keys.key(kid)) is not None
    assert key_server.hits == 2


def test_known_keys_keep_working_when_the_issuer_is_away(key_server: KeyServer, state: Path) -> None:
    kid = signing_keys(state)[0].kid
    key_server.published = key_set(state)
    keys = keys_of(key_server, **EAGER)
    asyncio.run(keys.key(kid))

    key_server.status = 503
    while_failing = asyncio.run(keys.key(kid))
    key_server.close()
    while_gone = asyncio.run(keys.key(kid))

    assert while_failing is not None
    assert while_gone is not None


def test_a_known_key_waits_for_nobody_while_another_request_fetches(key_server: KeyServer, state: Path) -> None:
    kid = signing_keys(state)[0].kid
    key_server.published = key_set(state)
    keys = keys_of(key_server, **EAGER)
    asyncio.run(keys.key(kid))

    async def while_fetching() -> Any:
        async with keys._lock:
            return await asyncio.wait_for(keys.key(kid), timeout=10)

    assert asyncio.run(while_fetching()) is not None
    assert key_server.hits == 1


def test_keys_that_were_never_fetched_answer_503_and_are_not_asked_for_by_every_request(
    key_server: KeyServer, state: Path
) -> None:
    key_server.status = 500
    app = specimen(dry_runtime())
    app.state.verifier = Verifier(ISSUER, "hotline", keys_of(key_server))
    client = client_of(app)

    answers = [client.get(ACTOR, headers={"Authorization": f"Bearer {mint(state, 'analyst')}"}) for _ in range(5)]

    assert {answer.status_code for answer in answers} == {503}
    assert answers[0].headers["retry-after"] == "2"
    assert key_server.hits == 1


def test_the_key_set_is_fetched_as_soon_as_the_issuer_is_back(key_server: KeyServer, state: Path) -> None:
    kid = signing_keys(state)[0].kid
    keys = keys_of(key_server, min_interval=0.0)
    key_server.status = 500
    with pytest.raises(Unavailable):
        asyncio.run(keys.key(kid))

    key_server.status, key_server.published = 200, key_set(state)

    assert asyncio.run(keys.key(kid)) is not None


def test_symmetric_keys_and_keys_for_encryption_are_no_keys_of_ours(key_server: KeyServer, state: Path) -> None:
    good = key_set(state)["keys"][0]
    key_server.published = {
        "keys": [
            good,
            {"kty": "oct", "kid": "secret", "alg": "HS256", "k": "AAAA"},
            {"kty": "oct", "kid": "no-alg", "k": "AAAA"},
            {**good, "kid": "enc", "use": "enc"},
            {**good, "kid": "as-hmac", "alg": "HS256"},
            {**good, "kid": "as-rsa", "alg": "RS256"},
            {**good, "kid": "as-none", "alg": "none"},
            {"kty": "EC", "kid": "half", "crv": "P-256"},
        ]
    }
    keys = keys_of(key_server)

    found = [asyncio.run(keys.key(jwk["kid"])) for jwk in key_server.published["keys"]]

    assert found[0] is not None
    assert found[1:] == [None] * 7
