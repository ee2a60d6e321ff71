"""What the token endpoint grants, and to whom: RFC 6749 §4.4 for services, a grant of our own for demo people."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote_plus

from deploy.identity import SERVICES, demo, keys
from deploy.identity.clients import is_client

DEMO_GRANT = "urn:baoho:demo"
SERVICE_LIFETIME = timedelta(minutes=5)
MAX_FIELDS = 20

Form = Mapping[str, str]


@dataclass(frozen=True)
class Grant:
    """A token, and how long it lives."""

    token: str
    lifetime: timedelta


class RefusalError(Exception):
    """A refusal as RFC 6749 §5.2 names it; the description is ASCII and never repeats what the caller sent."""

    def __init__(
        self,
        error: Literal["invalid_request", "invalid_client", "unsupported_grant_type"],
        description: str,
    ) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = HTTPStatus.UNAUTHORIZED if error == "invalid_client" else HTTPStatus.BAD_REQUEST


def read_form(body: bytes) -> Form:
    """Read a form body; a field without a value counts as absent, a repeated one is refused (RFC 6749 §3.2)."""
    try:
        fields = parse_qsl(body.decode("ascii"), errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise RefusalError("invalid_request", "The body is not a form.") from error
    form = dict(fields)
    if len(form) < len(fields):
        raise RefusalError("invalid_request", "A field is sent more than once.")
    return form


def grant(state: Path, form: Form, authorization: str | None) -> Grant:
    """Answer a token request: the form, and the Authorization header where one was sent; raises `RefusalError`."""
    grant_type = form.get("grant_type")
    if grant_type is None:
        raise RefusalError("invalid_request", "The field grant_type is missing.")
    if grant_type not in GRANTS:
        raise RefusalError("unsupported_grant_type", f"The grant types are {', '.join(GRANTS)}.")
    return GRANTS[grant_type](state, form, authorization)


def grant_to_service(state: Path, form: Form, authorization: str | None) -> Grant:
    """Give a service, known by its secret, a short token for one other service."""
    name, secret = _credentials(form, authorization)
    if not is_client(state, name, secret):
        raise RefusalError("invalid_client", "The client is unknown or its secret is wrong.")
    if form.get("audience") not in SERVICES:
        raise RefusalError("invalid_request", f"The field audience must be one of {', '.join(SERVICES)}.")
    claims = {"sub": f"service:{name}", "client": name, "aud": form["audience"], "roles": ["service"]}
    return Grant(keys.sign(state, claims, SERVICE_LIFETIME), SERVICE_LIFETIME)


def grant_to_demo_person(state: Path, form: Form, _authorization: str | None) -> Grant:
    """Give anyone the token of a demo identity: the reason why this issuer must never run in production."""
    claims: dict[str, Any] = {name: form.get(name) for name in demo.CLAIM_FORMS}
    try:
        return Grant(demo.mint(state, form.get("role", ""), **claims), demo.LIFETIME)
    except (demo.UnknownRoleError, demo.BadClaimError) as error:
        raise RefusalError("invalid_request", str(error)) from error


def _credentials(form: Form, authorization: str | None) -> tuple[str, str]:
    if authorization is None:
        if "client_id" in form and "client_secret" in form:
            return form["client_id"], form["client_secret"]
        raise RefusalError("invalid_client", "The client does not authenticate itself.")
    if "client_secret" in form:
        raise RefusalError("invalid_request", "The client authenticates itself in two ways.")
    return _basic(authorization)


def _basic(authorization: str) -> tuple[str, str]:
    """Read HTTP Basic, whose two parts are form-encoded before they are joined (RFC 6749 §2.3.1)."""
    scheme, _, encoded = authorization.partition(" ")
    try:
        name, colon, secret = base64.b64decode(encoded, validate=True).decode("ascii").partition(":")
    except ValueError:
        colon = ""
    if scheme.lower() != "basic" or not colon:
        raise RefusalError("invalid_client", "The Authorization header is not HTTP Basic.")
    return unquote_plus(name), unquote_plus(secret)


GRANTS: Mapping[str, Callable[[Path, Form, str | None], Grant]] = {
    "client_credentials": grant_to_service,
    DEMO_GRANT: grant_to_demo_person,
}
