"""The issuer over real HTTP: discovery, keys, tokens for services and for demo people, and its refusals."""

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest

from deploy.identity import SERVICES
from deploy.identity.app import IssuerRefusedError, create_issuer
from deploy.identity.clients import client_secret
from deploy.identity.demo import IDENTITIES, SHELTER_ORG
from deploy.identity.grants import DEMO_GRANT
from deploy.identity.keys import rotate
from tests.deploy.issuing import PUBLIC_URL, Issuer, assert_refused, running


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    with running(tmp_path_factory.mktemp("issuer") / "identity") as issuer:
        yield issuer


@pytest.fixture
def rotating_issuer(tmp_path: Path) -> Iterator[Issuer]:
    with running(tmp_path / "identity") as issuer:
        yield issuer


def test_it_describes_itself_under_its_public_address(issuer: Issuer) -> None:
    response = issuer.http.get("/identity/.well-known/openid-configuration")

    assert response.json() == {
        "issuer": "urn:baoho:identity:development",
        "jwks_uri": f"{PUBLIC_URL}/identity/.well-known/jwks.json",
        "token_endpoint": f"{PUBLIC_URL}/identity/token",
        "grant_types_supported": ["client_credentials", "urn:baoho:demo"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    }


def test_its_public_keys_may_be_kept_five_minutes_and_hold_nothing_private(issuer: Issuer) -> None:
    response = issuer.http.get("/identity/.well-known/jwks.json")

    [key] = response.json()["keys"]
    assert key.keys() == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert response.headers["Cache-Control"] == "public, max-age=300"


def test_it_says_that_it_lives(issuer: Issuer) -> None:
    response = issuer.http.get("/identity/livez")

    assert response.status_code == 200


@pytest.mark.parametrize("target", SERVICES)
def test_a_service_gets_a_token_of_five_minutes_for_one_other_service(issuer: Issuer, target: str) -> None:
    response = issuer.service("intake", audience=target)

    claims = issuer.claims(response, audience=target)
    assert {name: claims[name] for name in ("sub", "client", "aud", "roles")} == {
        "sub": "service:intake",
        "client": "intake",
        "aud": target,
        "roles": ["service"],
    }
    assert claims["exp"] - claims["iat"] == response.json()["expires_in"] == 300
    assert response.json()["token_type"] == "Bearer"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Pragma"] == "no-cache"


@pytest.mark.parametrize("client", SERVICES)
def test_every_service_may_authenticate_by_http_basic(issuer: Issuer, client: str) -> None:
    response = issuer.http.post(
        "/identity/token",
        data={"grant_type": "client_credentials", "audience": "intake"},
        auth=(client, client_secret(issuer.state, client)),
    )

    assert issuer.claims(response, audience="intake")["sub"] == f"service:{client}"


@pytest.mark.parametrize("fields", [{"client_secret": "wrong"}, {"client_id": "nobody"}, {"client_id": "hotline"}])
def test_a_wrong_secret_or_client_is_refused(issuer: Issuer, fields: dict[str, str]) -> None:
    response = issuer.service("intake", audience="referral", **fields)

    assert_refused(response, "invalid_client", 401)
    assert response.headers["WWW-Authenticate"] == 'Basic realm="baoho"'


@pytest.mark.parametrize(
    "authorization",
    [
        "Basic !!!",
        "Basic",
        "Bearer abc",
        f"Basic {b64encode(b'intake').decode()}",
        "Basic bWF0OsO0",
        "Basic aW50YWtlOng=",
    ],
)
def test_an_authorization_that_is_no_valid_http_basic_is_refused(issuer: Issuer, authorization: str) -> None:
    response = issuer.http.post(
        "/identity/token",
        data={"grant_type": "client_credentials", "audience": "intake"},
        headers={"Authorization": authorization},
    )

    assert_refused(response, "invalid_client", 401)


def test_a_client_that_does_not_authenticate_is_refused(issuer: Issuer) -> None:
    response = issuer.token(grant_type="client_credentials", client_id="intake", audience="referral")

    assert_refused(response, "invalid_client", 401)


def test_a_client_that_authenticates_in_two_ways_is_refused(issuer: Issuer) -> None:
    secret = client_secret(issuer.state, "intake")

    response = issuer.http.post(
        "/identity/token",
        data={"grant_type": "client_credentials", "audience": "referral", "client_secret": secret},
        auth=("intake", secret),
    )

    assert_refused(response, "invalid_request")


@pytest.mark.parametrize("fields", [{}, {"audience": "baoho"}, {"audience": "elsewhere"}, {"audience": ""}])
def test_an_audience_that_is_no_service_is_refused(issuer: Issuer, fields: dict[str, str]) -> None:
    response = issuer.service("intake", **fields)

    assert "intake, hotline, referral, registry" in assert_refused(response, "invalid_request")


@pytest.mark.parametrize("role", IDENTITIES)
def test_every_demo_role_gets_a_token_of_eight_hours_without_a_password(issuer: Issuer, role: str) -> None:
    response = issuer.demo(role)

    claims = issuer.claims(response)
    assert claims["roles"] == [role]
    assert claims["sub"] == f"demo:{role}"
    assert claims["exp"] - claims["iat"] == response.json()["expires_in"] == 8 * 3600
    assert claims.items() >= IDENTITIES[role].items()


def test_a_demo_token_carries_the_claims_that_were_asked_for(issuer: Issuer) -> None:
    asked = {
        "org": str(SHELTER_ORG),
        "agency": str(SHELTER_ORG),
        "country": "KR",
        "office": "osso-can-tho",
        "province": "92",
        "sub": "demo:second-worker",
    }

    claims = issuer.claims(issuer.demo("partner_worker", **asked))

    assert claims.items() >= asked.items()


@pytest.mark.parametrize("role", ["", "boss", "service"])
def test_an_unknown_role_is_refused_with_the_roles_there_are(issuer: Issuer, role: str) -> None:
    response = issuer.demo(role)

    assert "osso_officer, osso_supervisor" in assert_refused(response, "invalid_request")


@pytest.mark.parametrize(
    ("claim", "value"),
    [("org", "7"), ("agency", "A"), ("country", "tw"), ("province", "1"), ("office", "a b"), ("sub", "a\nb")],
)
def test_a_claim_of_another_form_is_refused_without_repeating_it(issuer: Issuer, claim: str, value: str) -> None:
    response = issuer.demo("partner_worker", **{claim: value})

    description = assert_refused(response, "invalid_request")
    assert description.startswith(f"The claim {claim} must be ")


def test_a_missing_and_an_unknown_grant_type_are_refused(issuer: Issuer) -> None:
    missing = issuer.token(role="auditor")
    unknown = issuer.token(grant_type="password", username="a", password="b")

    assert_refused(missing, "invalid_request")
    assert_refused(unknown, "unsupported_grant_type")


@pytest.mark.parametrize(
    "body",
    [b"grant_type=a&grant_type=b", b"role=%ff", "role=sĩ".encode(), b"&".join(b"f%d=1" % n for n in range(21))],
)
def test_a_body_that_is_no_form_or_repeats_a_field_is_refused(issuer: Issuer, body: bytes) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}

    response = issuer.http.post("/identity/token", content=body, headers=form)

    assert_refused(response, "invalid_request")


def test_json_is_refused(issuer: Issuer) -> None:
    response = issuer.http.post("/identity/token", json={"grant_type": DEMO_GRANT, "role": "auditor"})

    assert_refused(response, "invalid_request")


def test_a_large_body_is_refused(issuer: Issuer) -> None:
    response = issuer.demo("auditor", filler="x" * 20_000)

    assert response.status_code == 413


def test_fields_in_the_address_do_not_count(issuer: Issuer) -> None:
    response = issuer.http.post(f"/identity/token?grant_type={DEMO_GRANT}&role=auditor", data={"sub": "a"})

    assert_refused(response, "invalid_request")


def test_a_rotation_needs_no_restart_and_leaves_old_tokens_valid(rotating_issuer: Issuer) -> None:
    before = rotating_issuer.demo("auditor")

    kid = rotate(rotating_issuer.state, "RS256")

    after = rotating_issuer.demo("auditor")
    assert jwt.get_unverified_header(after.json()["access_token"])["kid"] == kid
    assert rotating_issuer.claims(before)["sub"] == rotating_issuer.claims(after)["sub"] == "demo:auditor"
    description = rotating_issuer.http.get("/identity/.well-known/openid-configuration").json()
    assert description["id_token_signing_alg_values_supported"] == ["ES256", "RS256"]


def test_a_token_is_not_valid_for_another_audience(issuer: Issuer) -> None:
    response = issuer.demo("auditor")

    with pytest.raises(jwt.InvalidAudienceError):
        issuer.claims(response, audience="intake")


@pytest.mark.parametrize("env", ["production", "Development", "", None])
def test_it_refuses_to_start_outside_development(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, env: str | None
) -> None:
    monkeypatch.delenv("ENV", raising=False)
    if env is not None:
        monkeypatch.setenv("ENV", env)

    with pytest.raises(IssuerRefusedError, match="runs only with ENV=development"):
        create_issuer(tmp_path / "identity", PUBLIC_URL)

    assert not (tmp_path / "identity").exists()


@pytest.mark.parametrize("address", ["", "baoho.example.vn", "ftp://baoho", "http://*", "http://[x]", "https://a/b"])
def test_it_refuses_a_public_address_that_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("ENV", "development")

    with pytest.raises(IssuerRefusedError, match="public URL"):
        create_issuer(tmp_path / "identity", address)
