"""Tokens that no service may believe, most of them signed by the very Keycloak that it trusts."""

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import jwt
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.system.keycloak_world import ELSEWHERE, Identity, Tokens, tokens


def account(identity: Identity, user: str = "analyst") -> Tokens:
    """Sign a user in on the pages where she keeps her own account."""
    return identity.visit("account-console", f"{identity.server.issuer()}/account/").sign_in(user)


def unsigned(_identity: Identity, held: Tokens) -> str:
    return f"{encoded({'alg': 'none', 'typ': 'at+jwt', 'kid': held.kid})}.{held.access.split('.')[1]}."


def signed_with_the_public_key(identity: Identity, held: Tokens) -> str:
    published = identity.http.get(identity.server.endpoint("certs")).json()["keys"]
    public = next(jwt.PyJWK(key).key for key in published if key["kid"] == held.kid)
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    text = f"{encoded({'alg': 'HS256', 'typ': 'at+jwt', 'kid': held.kid})}.{held.access.split('.')[1]}"
    return f"{text}.{urlsafe_b64encode(hmac.digest(pem, text.encode(), hashlib.sha256)).rstrip(b'=').decode()}"


def encoded(value: Any) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


STRANGE: dict[str, Callable[[Identity, Tokens], str]] = {
    "of another realm": lambda identity, _: identity.sign_in("analyst", ELSEWHERE).access,
    "without an audience": lambda identity, _: tokens(identity.service("intake")).access,
    "for the account pages": lambda identity, _: account(identity).access,
    "an ID token": lambda _, held: held.id,
    "a refresh token": lambda _, held: held.refresh,
    "unsigned": unsigned,
    "signed with the public key": signed_with_the_public_key,
    "with another's signature": lambda identity, held: ".".join(
        [*held.access.split(".")[:2], identity.sign_in("auditor").access.split(".")[2]]
    ),
}
