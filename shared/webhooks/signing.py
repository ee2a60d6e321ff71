"""Signs and verifies webhooks by Standard Webhooks 1.0: `v1` is HMAC-SHA256, `v1a` ed25519."""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar, Protocol, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

TOLERANCE = timedelta(minutes=5)
# The id stands between full stops in what is signed, and in a header: neither may be forged through it.
MESSAGE_ID = re.compile(r"[A-Za-z0-9_-]{1,255}", re.ASCII)
TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)
ED25519_BYTES = 32


class WebhookVerificationError(Exception):
    """The webhook is not what one of the given keys signed, or not of this moment."""


class VerifyingKey(Protocol):
    """What tells a true signature from a false one."""

    version: ClassVar[str]

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether `signature` is this key's over `message`."""


class Key(VerifyingKey, Protocol):
    """What also makes signatures."""

    def signature(self, message: bytes) -> bytes:
        """Return the raw signature over `message`."""


@dataclass(frozen=True, slots=True)
class SymmetricKey:
    """A secret shared with one partner; its text form is `whsec_` and base64 of 24 to 64 bytes."""

    version: ClassVar[str] = "v1"
    secret: bytes = field(repr=False)

    @classmethod
    def load(cls, text: str) -> Self:
        """Read `whsec_…`; raise ValueError for anything else."""
        secret = _decode("whsec_", text)
        if not 24 <= len(secret) <= 64:  # noqa: PLR2004 - the standard's own bounds, "Signature scheme"
            raise ValueError("a webhook secret is 24 to 64 bytes long")
        return cls(secret)

    def signature(self, message: bytes) -> bytes:
        """Return HMAC-SHA256 of `message`."""
        return hmac.digest(self.secret, message, hashlib.sha256)

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(signature, self.signature(message))


@dataclass(frozen=True, slots=True)
class PublicKey:
    """What partners verify our `v1a` signatures with; its text form is `whpk_` and base64 of 32 bytes."""

    version: ClassVar[str] = "v1a"
    raw: bytes

    @classmethod
    def load(cls, text: str) -> Self:
        """Read `whpk_…`; raise ValueError for anything else."""
        raw = _decode("whpk_", text)
        if len(raw) != ED25519_BYTES:
            raise ValueError("an ed25519 public key is 32 bytes long")
        return cls(raw)

    def __str__(self) -> str:
        return "whpk_" + base64.b64encode(self.raw).decode()

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether the private half of this key signed `message`."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class AsymmetricKey:
    """Our own ed25519 key; its text form is `whsk_` and base64 of the seed, or of the seed and the public key."""

    version: ClassVar[str] = "v1a"
    seed: bytes = field(repr=False)

    @classmethod
    def load(cls, text: str) -> Self:
        """Read `whsk_…`; raise ValueError for anything else, also for a public half that is not the seed's."""
        raw = _decode("whsk_", text)
        if len(raw) not in (ED25519_BYTES, 2 * ED25519_BYTES):
            raise ValueError("an ed25519 private key is 32 or 64 bytes long")
        key = cls(raw[:ED25519_BYTES])
        if raw[ED25519_BYTES:] not in (b"", key.public.raw):
            raise ValueError("the public half does not belong to this ed25519 seed")
        return key

    @property
    def public(self) -> PublicKey:
        """The half that stands in `/.well-known/webhook-keys`."""
        return PublicKey(Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw())

    def signature(self, message: bytes) -> bytes:
        """Return the ed25519 signature over `message`."""
        return Ed25519PrivateKey.from_private_bytes(self.seed).sign(message)

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether this key signed `message`."""
        return self.public.verifies(signature, message)


def new_secret() -> str:
    """Make a secret for one partner, in its text form."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def new_private_key() -> str:
    """Make an ed25519 key of ours, in its text form."""
    return "whsk_" + base64.b64encode(secrets.token_bytes(ED25519_BYTES)).decode()


def sign(message_id: str, attempt_at: datetime, body: bytes, keys: Sequence[Key]) -> dict[str, str]:
    """Return the three `webhook-*` headers of one attempt, signed with every key given.

    The id stays the same on every retry, `attempt_at` (aware) does not. ValueError if the id is not of letters,
    digits, `_` and `-`, if the time is naive, or if no key is given.
    """
    if not MESSAGE_ID.fullmatch(message_id):
        raise ValueError("a message id is 1 to 255 letters, digits, underscores and hyphens")
    if not keys:
        raise ValueError("a webhook is never sent unsigned")
    timestamp = str(_unix(attempt_at))
    message = _signed_content(message_id, timestamp, body)
    signatures = [f"{key.version},{base64.b64encode(key.signature(message)).decode()}" for key in keys]
    return {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": " ".join(signatures)}


def verify(
    headers: Mapping[str, str],
    body: bytes,
    keys: Sequence[VerifyingKey],
    now: datetime,
    tolerance: timedelta = TOLERANCE,
) -> None:
    """Return if one of `keys` signed this body within `tolerance` of `now`, which is aware.

    Raise WebhookVerificationError for everything else the headers may hold.
    """
    found = {name.lower(): value for name, value in headers.items()}
    message_id, timestamp = found.get("webhook-id", ""), found.get("webhook-timestamp", "")
    if not (MESSAGE_ID.fullmatch(message_id) and TIMESTAMP.fullmatch(timestamp)):
        raise WebhookVerificationError("webhook-id or webhook-timestamp is missing or malformed")
    if abs(_unix(now) - int(timestamp)) > tolerance.total_seconds():
        raise WebhookVerificationError("webhook-timestamp is too far from now")
    message = _signed_content(message_id, timestamp, body)
    for version, signature in _signatures(found.get("webhook-signature", "")):
        if any(key.version == version and key.verifies(signature, message) for key in keys):
            return
    raise WebhookVerificationError("no signature is by a known key")


def _signatures(header: str) -> list[tuple[str, bytes]]:
    """Read `version,base64` pairs; what is malformed is left out, as it may be a version of tomorrow."""
    pairs = []
    for item in header.split(" "):
        version, _, encoded = item.partition(",")
        try:
            pairs.append((version, base64.b64decode(encoded, validate=True)))
        except ValueError:
            continue
    return pairs


def _signed_content(message_id: str, timestamp: str, body: bytes) -> bytes:
    return f"{message_id}.{timestamp}.".encode() + body


def _unix(at: datetime) -> int:
    if at.tzinfo is None:
        raise ValueError("a webhook's time must be aware")
    return int(at.timestamp())


def _decode(prefix: str, text: str) -> bytes:
    if not text.startswith(prefix):
        raise ValueError(f"this key must start with {prefix}")
    try:
        return base64.b64decode(text.removeprefix(prefix), validate=True)
    except ValueError:
        # The cause would quote nothing of the key today; cutting it keeps that so.
        raise ValueError(f"what follows {prefix} must be base64") from None
