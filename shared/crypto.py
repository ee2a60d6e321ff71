"""Sealing: personal values under a key of the person's own, exact look-ups by keyed hashes, erasure by destroying the key."""

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NONCE_BYTES = 12
MAC_BYTES = 32


@dataclass(frozen=True, slots=True, repr=False)
class Vault:
    """The keys of one service; the first of each ring is the current one, the others still open what they sealed."""

    service: str
    service_keys: Mapping[str, bytes]
    search_key: bytes | None = None
    link_keys: Mapping[str, bytes] = field(default_factory=dict)

    def derived(self, purpose: str, key_id: str | None = None) -> bytes:
        """Derive a key for one purpose from a service key (HKDF-SHA-256), so that no key serves two ends."""
        master = self.service_keys[key_id or self.current]
        return HKDF(SHA256(), 32, salt=None, info=f"baoho/{self.service}/{purpose}".encode()).derive(master)

    @property
    def current(self) -> str:
        """The id of the key that seals."""
        return next(iter(self.service_keys))

    def mac(self, purpose: str, *parts: bytes) -> bytes:
        """Return HMAC-SHA-256 over length-prefixed parts, under a key derived for `purpose` from the current service key."""
        return self.macs(purpose, *parts)[0]

    def macs(self, purpose: str, *parts: bytes) -> list[bytes]:
        """Return the same under each service key, the current one first: what was stored before a rotation is still known."""
        framed = b"".join(len(part).to_bytes(4) + part for part in parts)
        return [hmac.digest(self.derived(purpose, key_id), framed, "sha256") for key_id in self.service_keys]

    def blind(self, index: str, value: str) -> bytes:
        """Return the blind index of a normalised value, for exact look-up: HMAC-SHA-256 under the search key."""
        return hmac.digest(self._search_key(), f"{index}\x00{value}".encode(), "sha256")

    def token(self, term: str) -> int:
        """Return 64 bits of HMAC over a search term, as PostgreSQL's signed bigint."""
        digest = hmac.digest(self._search_key(), f"name\x00{term}".encode(), "sha256")
        return int.from_bytes(digest[:8], signed=True)

    def pseudonym(self, document: str, number: str) -> str:
        """Return the keyed pseudonym that may travel between services: `k1.` + hex HMAC-SHA-256 of `document:number`."""
        if not self.link_keys:
            message = "this service holds no link key"
            raise LookupError(message)
        key_id, key = next(iter(self.link_keys.items()))
        return f"{key_id}.{hmac.digest(key, f'{document}:{number}'.encode(), 'sha256').hex()}"

    def encrypt(self, purpose: str, text: bytes, bound_to: bytes = b"") -> bytes:
        """Seal bytes that belong to no person (stored answers, wrapped keys): key id, nonce, AES-256-GCM."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = AESGCM(self.derived(purpose)).encrypt(nonce, text, bound_to)
        return self.current.encode() + b"\x00" + nonce + sealed

    def decrypt(self, purpose: str, blob: bytes, bound_to: bytes = b"") -> bytes:
        """Open what `encrypt` sealed; raise `cryptography.exceptions.InvalidTag` if it was altered or moved."""
        key_id, _, rest = blob.partition(b"\x00")
        key = self.derived(purpose, key_id.decode())
        return AESGCM(key).decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], bound_to)

    def _search_key(self) -> bytes:
        if self.search_key is None:
            message = "this service holds no search key"
            raise LookupError(message)
        return self.search_key


def fingerprint(text: str) -> bytes:
    """Return SHA-256 of a text that is no secret of low entropy, such as a token."""
    return hashlib.sha256(text.encode()).digest()


def missing(wanted: Iterable[UUID], known: Mapping[UUID, object]) -> set[UUID]:
    """Return the ids whose keys are not loaded yet."""
    return {person for person in wanted if person not in known}
