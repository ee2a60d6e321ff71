"""A Keycloak behind the gateway, with the demo realm and a stranger's twin of it, and the services that trust the first."""

import base64
import hashlib
import html
import re
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt

from deploy.identity import SERVICES
from deploy.identity.keycloak import ADMINISTRATOR, Keycloak
from deploy.identity.master import MASTER, master_realm
from deploy.identity.realm import DEMO, REALM, WEB, demo_realm
from deploy.topology import IDENTITY
from shared.auth import KeySet, Verifier
from tests.harness import House, free_port

ELSEWHERE = "elsewhere"
GATEWAY_PORT = free_port()
PUBLIC_URL = f"http://127.0.0.1:{GATEWAY_PORT}"
ADMIN_PORT = free_port()
ADMIN_URL = f"http://127.0.0.1:{ADMIN_PORT}/{IDENTITY}"
CONSOLE = "security-admin-console"
PASSWORD = secrets.token_urlsafe(16)
SECRETS = {f"{name.upper()}_CLIENT_SECRET": secrets.token_urlsafe(32) for name in SERVICES}
ADMINISTRATION = {"KC_BOOTSTRAP_ADMIN_PASSWORD": secrets.token_urlsafe(16)}
ADDRESSES = {"PUBLIC_URL": PUBLIC_URL, "KC_HOSTNAME_ADMIN": ADMIN_URL}
SETTINGS = {**SECRETS, **ADMINISTRATION, **ADDRESSES, "DEMO_PASSWORD": PASSWORD}


def keycloak(state: Path, folder: Path) -> Keycloak:
    """Return a server with two realms that differ in nothing but their name and keys, and that of administrators."""
    realms = [demo_realm(), {**demo_realm(), "realm": ELSEWHERE}, master_realm()]
    return Keycloak(state, free_port(), folder, realms, SETTINGS)


@dataclass(frozen=True)
class Tokens:
    """What a sign-in gave."""

    access: str
    refresh: str = ""
    id: str = ""

    @property
    def claims(self) -> dict[str, Any]:
        claims: dict[str, Any] = jwt.decode(self.access, options={"verify_signature": False})
        return claims

    @property
    def kid(self) -> str:
        return str(jwt.get_unverified_header(self.access)["kid"])


class Identity:
    """Signs people and services in, and administers the realm as a person would through its API."""

    def __init__(self, server: Keycloak) -> None:
        self.server = server
        self._open = ExitStack()
        self._administrator = (0.0, "")
        self.http = self._open.enter_context(httpx.Client(timeout=30, trust_env=False))

    def close(self) -> None:
        """Let every connection go."""
        self._open.close()

    def visit(self, client: str = WEB, back_to: str = f"{PUBLIC_URL}/") -> "Browser":
        """Return a browser of its own, on its way to the sign-in page of a client."""
        http = self._open.enter_context(httpx.Client(timeout=30, trust_env=False))
        return Browser(self.server.issuer(), http, client, back_to)

    def administrators_visit(self) -> "Browser":
        """Return a browser of its own, on its way to the console through the administrator's door."""
        http = self._open.enter_context(httpx.Client(timeout=30, trust_env=False))
        return Browser(f"{ADMIN_URL}/realms/{MASTER}", http, CONSOLE, f"{ADMIN_URL}/admin/{MASTER}/console/")

    def answer(self, realm: str = REALM, **form: str) -> httpx.Response:
        """Return what the token endpoint answers."""
        return self.http.post(self.server.endpoint("token", realm), data=form)

    def sign_in(self, user: str, realm: str = REALM, client: str = DEMO, password: str = PASSWORD) -> Tokens:
        """Sign a person in by password, which the demo client alone allows."""
        form = {"grant_type": "password", "scope": "openid", "client_id": client}
        return tokens(self.answer(realm, **form, username=user, password=password))

    def refresh(self, held: Tokens) -> httpx.Response:
        """Ask for new tokens with a refresh token."""
        return self.answer(grant_type="refresh_token", client_id=DEMO, refresh_token=held.refresh)

    def service(self, name: str, **form: str) -> httpx.Response:
        """Ask for a service's token."""
        secret = SECRETS[f"{name.upper()}_CLIENT_SECRET"]
        return self.answer(grant_type="client_credentials", client_id=name, client_secret=secret, **form)

    def administer(self, method: str, path: str, body: Any = None, realm: str = REALM) -> Any:
        """Call the administrator's API of a realm; return what it answers."""
        headers = {"Authorization": f"Bearer {self._administrators_token()}"}
        answer = self.http.request(method, f"{self.server.url}/admin/realms/{realm}{path}", json=body, headers=headers)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def _administrators_token(self) -> str:
        """Return a token of the realm `master`, where they live for a minute."""
        until, token = self._administrator
        if until < time.monotonic():
            form = {"grant_type": "password", "client_id": "admin-cli", "username": ADMINISTRATOR}
            granted = self.answer(MASTER, **form, password=ADMINISTRATION["KC_BOOTSTRAP_ADMIN_PASSWORD"])
            token = tokens(granted).access
            self._administrator = (time.monotonic() + 30, token)
        return token

    def add_user(self, name: str, realm: str = REALM, **more: Any) -> str:
        """Create a user who knows the password; return her id."""
        credentials = [{"type": "password", "value": PASSWORD}]
        self.administer(
            "POST", "/users", {"username": name, "enabled": True, "credentials": credentials, **more}, realm
        )
        return str(self.administer("GET", f"/users?exact=true&username={name}", realm=realm)[0]["id"])

    def signing_keys(self) -> list[dict[str, Any]]:
        """Return the keys that sign tokens, as the administrator sees them."""
        found = self.administer("GET", "/components?type=org.keycloak.keys.KeyProvider")
        return [key for key in found if key["providerId"] == "ecdsa-generated"]


class Browser:
    """A person before the sign-in page of a client, with the cookies and the PKCE secret of one visit."""

    def __init__(self, issuer: str, http: httpx.Client, client: str, back_to: str) -> None:
        self._issuer = issuer
        self._about = {"client_id": client, "redirect_uri": back_to}
        self._http = http
        self.secret = secrets.token_urlsafe(48)

    def open(self, **changes: str | None) -> httpx.Response:
        """Open the page; `changes` are parameters asked for otherwise, or not at all."""
        digest = hashlib.sha256(self.secret.encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "scope": "openid",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        wanted = {name: value for name, value in {**self._about, **asked, **changes}.items() if value is not None}
        page = self._http.get(f"{self._issuer}/protocol/openid-connect/auth", params=wanted)
        for cookie in self._http.cookies.jar:
            cookie.secure = False  # A browser takes a loopback address for as safe as TLS; this client does not.
        return page

    def submit(self, page: httpx.Response, user: str, password: str = PASSWORD) -> str:
        """Type name and password; return the code that the page sends back."""
        action = re.search(r'action="([^"]+)"', page.text)
        assert action is not None, page.text
        back = self._http.post(html.unescape(action[1]), data={"username": user, "password": password})
        assert back.status_code == 302, back.text
        return parse_qs(urlsplit(back.headers["location"]).query)["code"][0]

    def redeem(self, code: str, secret: str) -> httpx.Response:
        """Exchange the code for tokens."""
        form = {"grant_type": "authorization_code", "code": code, "code_verifier": secret, **self._about}
        return self._http.post(f"{self._issuer}/protocol/openid-connect/token", data=form)

    def sign_in(self, user: str, password: str = PASSWORD) -> Tokens:
        """Go the whole way."""
        return tokens(self.redeem(self.submit(self.open(), user, password), self.secret))


class TrustingHouse(House):
    """The services with a Keycloak for their issuer."""

    keycloak: Keycloak
    addresses: Mapping[str, str]

    def settings(self, service: str, **changes: Any) -> Any:
        """Return a service's settings, with its secret as the realm knows it."""
        trusted = {
            "oidc_issuer": self.keycloak.issuer(),
            "oidc_jwks_url": self.keycloak.endpoint("certs"),
            "oidc_token_url": self.keycloak.endpoint("token"),
            "client_secret": SECRETS[f"{service.upper()}_CLIENT_SECRET"],
        }
        return super().settings(service, **{**trusted, **self.addresses, **changes})

    def ask(self, operation: str, access: str, body: Any = None) -> Any:
        """Make a request with a token: `POST /hotline/v1/cases`."""
        method, path = operation.split(" ")
        client = self.client(path.split("/")[1])
        options = {} if body is None else {"json": body}
        call = client.post if method == "POST" else client.get
        return call(path, headers={"Authorization": f"Bearer {access}"}, **options)

    def forget_soon(self, service: str) -> None:
        """Let a service look at the keys every second, and at every token each time."""
        keys = KeySet(self.keycloak.endpoint("certs"), max_age=1.0, min_interval=0.2)
        app: Any = self.client(service).app
        app.state.verifier = Verifier(self.keycloak.issuer(), service, keys, memory=0.0)


def tokens(answer: httpx.Response) -> Tokens:
    """Return the tokens of an answer that has some."""
    assert answer.status_code == 200, answer.text
    granted = answer.json()
    return Tokens(granted["access_token"], granted.get("refresh_token", ""), granted.get("id_token", ""))


def until(reached: Callable[[], bool]) -> bool:
    """Wait until something holds, and say whether it came to be; a generous deadline, never a measure of speed."""
    deadline = time.monotonic() + 60
    while not (held := reached()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return held


def taken(written: Any, kept: Any) -> bool:
    """Say whether the server keeps what was written; it may keep more, and shows no secret."""
    if isinstance(written, dict):
        return all(taken(value, kept.get(name)) for name, value in written.items() if name != "secret")
    if isinstance(written, list):
        return all(any(taken(item, other) for other in kept) for item in written)
    return bool(written == kept)
