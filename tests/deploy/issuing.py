"""A development issuer on a free port, and how its answers are judged."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import jwt
import pytest
import uvicorn

from deploy.identity import ISSUER
from deploy.identity.app import create_issuer
from deploy.identity.clients import client_secret
from deploy.identity.grants import DEMO_GRANT

PUBLIC_URL = "https://baoho.example.vn"


@dataclass
class Issuer:
    """A running issuer, and the folder it stands on."""

    state: Path
    http: httpx.Client

    def token(self, **fields: str) -> httpx.Response:
        return self.http.post("/identity/token", data=fields)

    def demo(self, role: str, **fields: str) -> httpx.Response:
        return self.token(grant_type=DEMO_GRANT, role=role, **fields)

    def service(self, client: str, **fields: str) -> httpx.Response:
        secret = client_secret(self.state, client)
        return self.token(
            **{"grant_type": "client_credentials", "client_id": client, "client_secret": secret, **fields}
        )

    def claims(self, response: httpx.Response, audience: str = "baoho") -> dict[str, Any]:
        token = response.json()["access_token"]
        published = jwt.PyJWKSet.from_dict(self.http.get("/identity/.well-known/jwks.json").json())
        key = published[jwt.get_unverified_header(token)["kid"]]
        claims: dict[str, Any] = jwt.decode(token, key, audience=audience, issuer=ISSUER)
        return claims


@contextmanager
def running(state: Path) -> Iterator[Issuer]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ENV", "development")
        config = uvicorn.Config(create_issuer(state, PUBLIC_URL), log_config=None, ws="none")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}", trust_env=False) as http:
                yield Issuer(state, http)
        finally:
            server.should_exit = True
            thread.join(timeout=30)
    assert not thread.is_alive()


def assert_refused(response: httpx.Response, error: str, status: int = 400) -> str:
    body: dict[str, str] = response.json()
    assert response.status_code == status
    assert body.keys() == {"error", "error_description"}
    assert body["error"] == error
    assert response.headers["Cache-Control"] == "no-store"
    assert body["error_description"].isascii()
    return body["error_description"]
