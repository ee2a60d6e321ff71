"""The issuer's signing keys: made at first run, numbered on disk, the newest signs and all are published."""

import base64
import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, cast

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from deploy.identity import ISSUER, IdentityError, vault

Algorithm = Literal["ES256", "RS256"]
PrivateKey = EllipticCurvePrivateKey | RSAPrivateKey

RSA_BITS = 2048
THUMBPRINT_MEMBERS = {"ES256": ("crv", "kty", "x", "y"), "RS256": ("e", "kty", "n")}
"""The members of a public key that RFC 7638 §3.2 hashes, in its order; they are also all that we publish of it."""


class NoKeysError(IdentityError):
    """The issuer has never run on this folder."""


class KeyInUseError(IdentityError):
    """The key cannot be retired now."""


@dataclass(frozen=True)
class SigningKey:
    """One key pair on disk; a higher number is a newer key."""

    number: int
    private: PrivateKey

    @property
    def algorithm(self) -> Algorithm:
        """The one algorithm this key may be used with: the kind of key decides it."""
        return "ES256" if isinstance(self.private, EllipticCurvePrivateKey) else "RS256"

    @property
    def public_members(self) -> dict[str, str]:
        """The public key as a JWK, without anything optional."""
        algorithm = cast("Any", jwt.get_algorithm_by_name(self.algorithm))
        jwk = algorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {member: jwk[member] for member in THUMBPRINT_MEMBERS[self.algorithm]}

    @property
    def kid(self) -> str:
        """The SHA-256 thumbprint of RFC 7638: the same key has the same name everywhere."""
        canonical = json.dumps(self.public_members, separators=(",", ":"), sort_keys=True).encode()
        return base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()


def ensure_key(state: Path) -> None:
    """Make the first key unless there is one; of several first starts at once, one makes it."""
    with vault.locked(state):
        if not _key_files(state):
            _add_key(state, "ES256")


def rotate(state: Path, algorithm: Algorithm = "ES256") -> str:
    """Add a key that signs from now on, and return its `kid`.

    A running issuer takes it up at its next answer. Older keys stay published, so that their tokens live out their
    time; `retire` ends them.
    """
    with vault.locked(state):
        return _add_key(state, algorithm).kid


def retire(state: Path, kid: str) -> None:
    """Delete a key: its tokens are refused from the services' next look at the key set on, within five minutes.

    Raises `KeyInUseError` for the key that signs, `NoKeysError` for one that is not there.
    """
    with vault.locked(state):
        *older, newest = signing_keys(state)
        if newest.kid == kid:
            raise KeyInUseError("This key signs: rotate first, and retire it when its last token has ended.")
        numbers = [key.number for key in older if key.kid == kid]
        if not numbers:
            raise NoKeysError(f"There is no key {kid} in {state}.")
        (state / f"signing-{numbers[0]:04}.pem").unlink()


def signing_keys(state: Path) -> list[SigningKey]:
    """Read all keys from disk, the newest last; `NoKeysError` where there are none."""
    files = _key_files(state)
    if not files:
        raise NoKeysError(f"There are no signing keys in {state}: start `make run` first.")
    return [SigningKey(_number(file), _load(file)) for file in files]


def key_set(state: Path) -> dict[str, list[dict[str, str]]]:
    """Return the public keys as a JWK Set (RFC 7517): `{"keys": [{kty, …, kid, use, alg}]}`."""
    return {
        "keys": [
            {**key.public_members, "kid": key.kid, "use": "sig", "alg": key.algorithm} for key in signing_keys(state)
        ]
    }


def sign(state: Path, claims: Mapping[str, object], lifetime: timedelta) -> str:
    """Sign claims with the newest key; `iss`, `iat`, `nbf`, `exp` and a fresh `jti` are added here."""
    key = signing_keys(state)[-1]
    now = datetime.now(UTC)
    stamped = {**claims, "iss": ISSUER, "iat": now, "nbf": now, "exp": now + lifetime, "jti": str(uuid.uuid4())}
    return jwt.encode(stamped, key.private, algorithm=key.algorithm, headers={"kid": key.kid, "typ": "at+jwt"})


def _key_files(state: Path) -> list[Path]:
    return sorted(state.glob("signing-[0-9][0-9][0-9][0-9].pem"), key=_number)


def _number(file: Path) -> int:
    return int(file.stem.removeprefix("signing-"))


def _load(file: Path) -> PrivateKey:
    return cast("PrivateKey", load_pem_private_key(file.read_bytes(), password=None))


def _add_key(state: Path, algorithm: Algorithm) -> SigningKey:
    private = generate_private_key(SECP256R1()) if algorithm == "ES256" else generate_rsa_key(65537, RSA_BITS)
    number = max(map(_number, _key_files(state)), default=0) + 1
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    vault.write(state / f"signing-{number:04}.pem", pem)
    return SigningKey(number, private)
