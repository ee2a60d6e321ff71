"""Who is calling: bearer tokens checked against the issuer's key set, and permissions named on each route."""

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt
from fastapi import Request, Security
from fastapi.openapi.models import HTTPBearer
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase
from fastapi.security.utils import get_authorization_scheme_param
from sqlmodel import Session

from shared import idempotency
from shared.crypto import fingerprint
from shared.errors import Forbidden, PreconditionRequired, Unauthenticated, Unavailable
from shared.permissions import ROLE_PERMISSIONS, Permission, Role
from shared.runtime import amend_act

PEOPLE = "baoho"
"""The audience of people's tokens; a service's token names the target service."""
ACCESS_TOKEN_TYPES = frozenset({"at+jwt", "application/at+jwt"})
"""What an access token calls itself (RFC 9068, section 4), so that an ID token or a logout token is never taken for one."""
ALGORITHMS = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}
TOKENS_REMEMBERED = 4096
LEEWAY = 5
"""Seconds two clocks may differ."""
CONDITIONAL = frozenset({"PUT", "PATCH", "DELETE"})
"""Methods that change a record as a whole: they need `If-Match`."""
STORES_NOTHING = {"x-stores-nothing": True}
"""`openapi_extra` of a `POST` that only asks: it needs no idempotency key."""
PUBLIC = {"x-public": True}
"""`openapi_extra` of a route that anyone may call."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls: subject, roles and scope, all from the token."""

    subject: str
    roles: frozenset[Role]
    office: str | None = None
    province: str | None = None
    country: str | None = None
    org: str | None = None
    agency: str | None = None
    client: str | None = None
    permissions: frozenset[Permission] = field(default_factory=frozenset)

    def has(self, role: Role) -> bool:
        """Say whether the caller holds a role; only row scope asks this, routes ask for permissions."""
        return role in self.roles


@dataclass(slots=True)
class KeySet:
    """The issuer's public keys: cached, fetched anew when they age or an unknown key id comes, but not too often."""

    url: str
    max_age: float = 300.0
    min_interval: float = 5.0
    _keys: dict[str, jwt.PyJWK] = field(default_factory=dict)
    _fetched: float = -1e9
    _asked: float = -1e9
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def key(self, kid: str) -> jwt.PyJWK | None:
        """Return the key with this id, or None if the issuer has none; raise `Unavailable` before the first fetch succeeds."""
        # A known key serves at once while another request fetches: an issuer that hangs must hold up nobody else.
        if self._is_due(kid) and not (kid in self._keys and self._lock.locked()):
            async with self._lock:
                if self._is_due(kid):
                    await self._fetch()
        if not self._keys:
            raise Unavailable
        return self._keys.get(kid)

    def _is_due(self, kid: str) -> bool:
        instant = time.monotonic()
        wanted = kid not in self._keys or instant - self._fetched > self.max_age
        return wanted and instant - self._asked > self.min_interval

    async def _fetch(self) -> None:
        """Take the published keys; an issuer that is away, or publishes nothing usable, leaves us those we know."""
        try:
            async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
                answer = await client.get(self.url)
                published = answer.raise_for_status().json()["keys"]
                keys = {jwk["kid"]: key for jwk in published if (key := _usable(jwk))}
        except (httpx.HTTPError, KeyError, TypeError, ValueError):
            keys = {}
        self._asked = time.monotonic()
        if keys:
            self._keys, self._fetched = keys, self._asked


def _usable(jwk: Any) -> jwt.PyJWK | None:
    """Bind each key to its one algorithm; anything else published, symmetric keys above all, is no key of ours."""
    if not isinstance(jwk, dict) or not isinstance(jwk.get("kid"), str):
        return None
    algorithm = jwk.get("alg") or ALGORITHMS.get(jwk.get("kty", ""))
    if algorithm not in ALGORITHMS.values() or jwk.get("use", "sig") != "sig":
        return None
    try:
        return jwt.PyJWK.from_dict(jwk, algorithm=algorithm)
    except jwt.PyJWTError:
        return None


@dataclass(slots=True)
class Verifier:
    """Checks bearer tokens for one service; one seen before is believed for `memory` seconds, but never past its expiry."""

    issuer: str
    service: str
    keys: KeySet
    remembered: int = TOKENS_REMEMBERED
    memory: float = 60.0
    _seen: OrderedDict[bytes, tuple[float, Principal]] = field(default_factory=OrderedDict)

    async def principal(self, token: str) -> Principal:
        """Return who the token speaks for; raise `Unauthenticated`."""
        digest = fingerprint(token)
        until, principal = self._seen.get(digest, (0.0, None))
        if principal is not None and until > time.time():
            return principal
        claims = await self._claims(token)
        principal = _principal(claims, self.service)
        self._seen[digest] = (min(claims["exp"], time.time() + self.memory), principal)
        if len(self._seen) > self.remembered:
            self._seen.popitem(last=False)
        return principal

    async def _claims(self, token: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
            if str(header.get("typ")).lower() not in ACCESS_TOKEN_TYPES:
                raise Unauthenticated
            key = await self.keys.key(str(header.get("kid")))
            if key is None or header.get("alg") != key.algorithm_name:
                raise Unauthenticated
            claims: dict[str, Any] = jwt.decode(
                token,
                key=key,
                algorithms=[key.algorithm_name],
                audience=[PEOPLE, self.service],
                issuer=self.issuer,
                leeway=LEEWAY,
                options={"require": ["exp", "iat", "sub", "iss", "aud"]},
            )
        except (jwt.PyJWTError, ValueError) as error:
            raise Unauthenticated from error
        return claims


def _principal(claims: dict[str, Any], service: str) -> Principal:
    """Read the claims: a role of ours at least; a service's token carries the role `service` alone, a person's never."""
    named = claims.get("roles")
    known = frozenset(Role(name) for name in named if name in set(Role)) if isinstance(named, list) else frozenset()
    for_service = claims["aud"] == service
    if not known or for_service != (known == {Role.SERVICE}) or (not for_service and Role.SERVICE in known):
        raise Unauthenticated
    scope = {name: _text(claims, name) for name in ("office", "province", "country", "org", "agency", "client")}
    permissions = frozenset[Permission]().union(*(ROLE_PERMISSIONS[role] for role in known))
    return Principal(subject=claims["sub"], roles=known, permissions=permissions, **scope)


def _text(claims: dict[str, Any], name: str) -> str | None:
    value = claims.get(name)
    return value if isinstance(value, str) and value else None


async def identify(request: Request) -> Principal:
    """Return who calls, or raise `Unauthenticated`; it may wait for the issuer, so it comes before the transaction."""
    scheme, token = get_authorization_scheme_param(request.headers.get("authorization"))
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated
    verifier: Verifier = request.app.state.verifier
    return await verifier.principal(token)


class Authorise(SecurityBase):
    """Lets the identified caller through if one of its roles has the route's permission; and is the API's security scheme."""

    def __init__(self) -> None:
        self.scheme_name = "HTTPBearer"
        self.model = HTTPBearer(bearerFormat="JWT", description="A token of the identity provider (`make token`).")

    async def __call__(self, request: Request, scopes: SecurityScopes) -> Principal:
        """Return the caller, with whom the transaction is told who acts; raise `Forbidden`."""
        session: Session = request.state.session
        principal: Principal = request.state.principal
        amend_act(session, actor=principal.subject, roles=tuple(sorted(principal.roles)))
        if not principal.permissions.issuperset(scopes.scopes):
            raise Forbidden(permission=" ".join(scopes.scopes))
        if request.method in CONDITIONAL and "if-match" not in request.headers:
            raise PreconditionRequired
        if request.state.stores:
            key = request.headers.get("idempotency-key")
            idempotency.take_key(session, principal, key, request.url.path, await request.body())
        return principal


authorise = Authorise()


def requires(permission: Permission) -> Any:
    """Name the permission of a route: the second part of `CanAnswer = Annotated[Principal, …]`."""
    return Security(authorise, scopes=[permission.value])
