"""The services as clients of the issuer: a secret each, generated at first run and kept in one file."""

import json
import secrets
from pathlib import Path

from deploy.identity import SERVICES, IdentityError, vault

SECRET_BYTES = 32


class UnknownClientError(IdentityError):
    """There is no secret on disk for a client of this name."""


def ensure_clients(state: Path) -> None:
    """Give a secret to every service that has none yet."""
    with vault.locked(state):
        known = _read(state)
        missing = {name: secrets.token_urlsafe(SECRET_BYTES) for name in SERVICES if name not in known}
        if missing:
            vault.write(_file(state), json.dumps(known | missing, indent=2).encode())


def client_secret(state: Path, name: str) -> str:
    """Return the secret with which the service `name` asks for tokens; `UnknownClientError` where there is none."""
    known = _read(state)
    if name not in known:
        raise UnknownClientError(f"There is no client secret for {name!r} in {state}: start `make run` first.")
    return known[name]


def is_client(state: Path, name: str, secret: str) -> bool:
    """Tell whether the secret is the client's, in a time that says nothing about either."""
    expected = _read(state).get(name)
    # An unknown name is compared too, so that the time taken does not list the clients.
    matches = secrets.compare_digest(secret.encode(), (expected or secrets.token_urlsafe(SECRET_BYTES)).encode())
    return matches and expected is not None


def _read(state: Path) -> dict[str, str]:
    if not _file(state).exists():
        return {}
    content: dict[str, str] = json.loads(_file(state).read_bytes())
    return content


def _file(state: Path) -> Path:
    return state / "clients.json"
