"""The issuer over HTTP: discovery, public keys, tokens; it serves its full paths itself, mounted or alone."""

import os
import re
from http import HTTPStatus
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deploy.identity import ISSUER, IdentityError, keys
from deploy.identity.clients import ensure_clients
from deploy.identity.grants import GRANTS, Form, RefusalError, grant, read_form

MAX_BODY_BYTES = 16 * 1024
FORM_TYPE = "application/x-www-form-urlencoded"
CACHEABLE = {"Cache-Control": "public, max-age=300"}
UNCACHEABLE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class IssuerRefusedError(IdentityError):
    """The issuer does not start under these settings."""


class IssuerEndpoints:
    """The endpoints over one state folder, read anew at each request, so that a rotation needs no restart."""

    def __init__(self, state: Path, public_url: str) -> None:
        self.state = state
        self.base = f"{public_url.rstrip('/')}/identity"

    def configuration(self, _request: Request) -> Response:
        """Describe the issuer in the members of OpenID Connect Discovery 1.0 §3 that it has.

        `issuer` is a name and not the address this is served from: a client must be told both.
        """
        algorithms = sorted({key["alg"] for key in keys.key_set(self.state)["keys"]})
        description = {
            "issuer": ISSUER,
            "jwks_uri": f"{self.base}/.well-known/jwks.json",
            "token_endpoint": f"{self.base}/token",
            "grant_types_supported": list(GRANTS),
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "response_types_supported": [],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": algorithms,
        }
        return JSONResponse(description, headers=CACHEABLE)

    def key_set(self, _request: Request) -> Response:
        """Publish every key on disk."""
        return JSONResponse(keys.key_set(self.state), headers=CACHEABLE)

    async def token(self, request: Request) -> Response:
        """Answer a token request, or refuse it as RFC 6749 §5.2 says."""
        try:
            form = await _form(request)
            granted = await run_in_threadpool(grant, self.state, form, request.headers.get("Authorization"))
        except RefusalError as refusal:
            return _refused(refusal)
        body = {
            "access_token": granted.token,
            "token_type": "Bearer",
            "expires_in": int(granted.lifetime.total_seconds()),
        }
        return JSONResponse(body, headers=UNCACHEABLE)

    def live(self, _request: Request) -> Response:
        """Say that the process answers."""
        return JSONResponse({"status": "ok"}, headers=UNCACHEABLE)


def create_issuer(state: Path, public_url: str) -> Starlette:
    """Make the issuer over a state folder, which is created with its first key and secrets where it is missing.

    `public_url` is the address under which `/identity/…` is reached, as clients see it. Raises `IssuerRefusedError`
    outside development or for an address that is none, `OpenFolderError` where others can enter the folder.
    """
    if os.environ.get("ENV") != "development":
        raise IssuerRefusedError(
            "The built-in issuer gives tokens to anyone and runs only with ENV=development; "
            "elsewhere, configure an OpenID Connect provider."
        )
    public_host(public_url)
    keys.ensure_key(state)
    ensure_clients(state)
    return Starlette(routes=_routes(IssuerEndpoints(state, public_url)))


def public_host(public_url: str) -> str:
    """Return the host of an address as a Host header names it (IPv6 in brackets); raises `IssuerRefusedError`."""
    match = re.fullmatch(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+])(:[0-9]+)?/?", public_url)
    if match is None:
        raise IssuerRefusedError("The public URL must be like https://host or http://host:port.")
    return match[1].lower()


def _routes(endpoints: IssuerEndpoints) -> list[Route]:
    return [
        Route("/identity/.well-known/openid-configuration", endpoints.configuration, methods=["GET"]),
        Route("/identity/.well-known/jwks.json", endpoints.key_set, methods=["GET"]),
        Route("/identity/token", endpoints.token, methods=["POST"], max_body_size=MAX_BODY_BYTES),
        Route("/identity/livez", endpoints.live, methods=["GET"]),
    ]


async def _form(request: Request) -> Form:
    if request.headers.get("Content-Type", "").partition(";")[0].strip().lower() != FORM_TYPE:
        raise RefusalError("invalid_request", f"The body must be {FORM_TYPE}.")
    return read_form(await request.body())


def _refused(refusal: RefusalError) -> Response:
    headers = dict(UNCACHEABLE)
    if refusal.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Basic realm="baoho"'
    body = {"error": refusal.error, "error_description": refusal.description}
    return JSONResponse(body, status_code=refusal.status, headers=headers)
