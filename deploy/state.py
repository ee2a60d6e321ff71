"""What the house keeps between runs on a laptop: a private folder with its version, and secrets made at the first run."""

import json
import secrets
from base64 import b64encode
from pathlib import Path

from deploy.identity import vault
from deploy.identity.clients import client_secret, ensure_clients
from deploy.kafka.access import ADMIN
from deploy.postgres import Server
from deploy.topology import KAFKA_ADMIN_SETTING, SERVICES

VERSION = "1"
"""Of what lies in the folder; another version is never guessed at."""
SECRETS = "secrets.json"


class StateError(Exception):
    """The state folder cannot be used; the text is one line for a person."""


def open_state(folder: Path) -> Path:
    """Make or check the state folder and return it resolved; raise `StateError` if it is not ours or not writable."""
    folder = folder.resolve()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        _check_version(folder)
    except OSError as error:
        message = f"the state folder {folder} cannot be used: {error.strerror}"
        raise StateError(message) from error
    return folder


def make_folder(folder: Path) -> Path:
    """Make a private folder inside the state."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _check_version(folder: Path) -> None:
    marker = folder / "VERSION"
    if not marker.exists():
        marker.write_text(f"{VERSION}\n")
    found = marker.read_text().strip()
    if found != VERSION:
        message = f"{folder} was written by another version ({found or 'unreadable'}); move it away to start anew"
        raise StateError(message)


def secrets_of(folder: Path) -> dict[str, str]:
    """Return the settings that are secret, readable by their owner alone; those not generated yet are now."""
    with vault.locked(folder):
        kept = _read(folder / SECRETS)
        named = _generate() | _with_key_ids(kept)
        if named != kept:
            write_secrets(folder, named)
    return named


def _read(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    try:
        kept: dict[str, str] = json.loads(path.read_text())
    except (ValueError, OSError) as error:
        message = f"{path} is broken; restore it from a copy, for without it nothing stored can be opened"
        raise StateError(message) from error
    return kept


def _with_key_ids(kept: dict[str, str]) -> dict[str, str]:
    """Carry search keys over that were kept before they had ids: `INTAKE_SEARCH_KEY` is k1 of `INTAKE_SEARCH_KEYS`."""
    old = {name for name in kept if name.endswith("_SEARCH_KEY")}
    named = {f"{name}S": f"k1:{kept[name]}" for name in old}
    return {**{name: value for name, value in kept.items() if name not in old}, **named}


def write_secrets(folder: Path, values: dict[str, str]) -> None:
    """Write the secrets so that a crash leaves the old file or the new one, readable by their owner alone."""
    vault.write(folder / SECRETS, json.dumps(values, indent=1).encode())


def bus_passwords(folder: Path) -> dict[str, str]:
    """Return the passwords of everyone who is let in by the brokers, by user."""
    kept = secrets_of(folder)
    services = {service.name: kept[service.bus_setting] for service in SERVICES}
    return {ADMIN: kept[KAFKA_ADMIN_SETTING], **services}


def environment(folder: Path, database: Server, *, public_url: str, issuer_url: str, issuer: str) -> dict[str, str]:
    """Return the environment of every process of the house on this machine; each reads only what is its own."""
    ensure_clients(folder / "identity")
    values = {
        "ENV": "development",
        "PUBLIC_URL": public_url,
        "LEDGER_DIR": str(folder / "ledger"),
        "OIDC_ISSUER": issuer,
        "OIDC_JWKS_URL": f"{issuer_url}/identity/.well-known/jwks.json",
        "OIDC_TOKEN_URL": f"{issuer_url}/identity/token",
        **secrets_of(folder),
    }
    for service in SERVICES:
        prefix = service.name.upper()
        values[f"{prefix}_DATABASE_URL"] = database.url(service.name)
        values[service.owner_setting] = database.url(service.name, "owner")
        values[f"{prefix}_CLIENT_SECRET"] = client_secret(folder / "identity", service.name)
    return values


def _generate() -> dict[str, str]:
    values = {"LINK_KEYS": f"k1:{new_key()}", KAFKA_ADMIN_SETTING: secrets.token_urlsafe(32)}
    for service in SERVICES:
        values[f"{service.name.upper()}_SERVICE_KEYS"] = f"k1:{new_key()}"
        values[service.audit_setting] = f"k1:{new_key()}"
        values[service.bus_setting] = secrets.token_urlsafe(32)
        if service.knows_people:
            values[f"{service.name.upper()}_SEARCH_KEYS"] = f"k1:{new_key()}"
    return values


def new_key() -> str:
    """Return 32 random bytes in base64."""
    return b64encode(secrets.token_bytes(32)).decode()
