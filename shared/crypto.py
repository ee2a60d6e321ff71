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
    search_keys: Mapping[str, bytes] = field(default_factory=dict)
    link_keys: Mapping[str, bytes] = field(default_factory=dict)
    _derived: dict[tuple[str, str], bytes] = field(default_factory=dict, init=False, compare=False)

    def derived(self, purpose: str, key_id: str | None = None) -> bytes:
        """Derive a key for one purpose from a service key (HKDF-SHA-256), so that no key serves two ends."""
        chosen = key_id or self.current
        if (purpose, chosen) not in self._derived:
            info = f"baoho/{self.service}/{purpose}".encode()
            key = HKDF(SHA256(), 32, salt=None, info=info).derive(self.service_keys[chosen])
            self._derived[purpose, chosen] = key
        return self._derived[purpose, chosen]

    @property
    def current(self) -> str:
        """The id of the key that seals."""
        return next(iter(self.service_keys))

    def ring(self, kind: str) -> Mapping[str, bytes]:
        """Return the keys of one kind by id, the current one first: `service`, `search` or `link`."""
        return {"service": self.service_keys, "search": self.search_keys, "link": self.link_keys}[kind]

    def check_value(self, kind: str, key_id: str) -> bytes:
        """Return what tells this key from another that bears its id; it says nothing about the key."""
        return hmac.digest(self.ring(kind)[key_id], f"key-check\x00{kind}".encode(), "sha256")

    def mac(self, purpose: str, *parts: bytes) -> bytes:
        """Return HMAC-SHA-256 over length-prefixed parts, under a key derived for `purpose` from the current service key."""
        return hmac.digest(self.derived(purpose), _framed(parts), "sha256")

    def macs(self, purpose: str, *parts: bytes) -> list[bytes]:
        """Return the same under each service key, the current one first: what was stored before a rotation is still known."""
        framed = _framed(parts)
        return [hmac.digest(self.derived(purpose, key_id), framed, "sha256") for key_id in self.service_keys]

    @property
    def current_search(self) -> str | None:
        """The id of the key that new tokens and blind indexes are made under; None for a service that searches nothing."""
        return next(iter(self.search_keys), None)

    def blind(self, index: str, value: str, key_id: str | None = None) -> bytes:
        """Return the blind index of a normalised value, for exact look-up: HMAC-SHA-256 under the current search key."""
        _, key = _chosen(self.search_keys, "search", key_id)
        return hmac.digest(key, f"{index}\x00{value}".encode(), "sha256")

    def blinds(self, index: str, value: str) -> list[bytes]:
        """Return the same under each search key, the current one first: rows not yet indexed anew are still found."""
        return [self.blind(index, value, key_id) for key_id in self.search_keys]

    def token(self, term: str, key_id: str | None = None) -> int:
        """Return 64 bits of HMAC over a search term under the current search key, as PostgreSQL's signed bigint."""
        _, key = _chosen(self.search_keys, "search", key_id)
        return int.from_bytes(hmac.digest(key, f"name\x00{term}".encode(), "sha256")[:8], signed=True)

    def tokens(self, term: str) -> list[int]:
        """Return the same under each search key, the current one first."""
        return [self.token(term, key_id) for key_id in self.search_keys]

    def pseudonym(self, document: str, number: str, key_id: str | None = None) -> str:
        """Return the keyed pseudonym that may travel between services: `k1.` + hex HMAC-SHA-256 of `document:number`."""
        chosen, key = _chosen(self.link_keys, "link", key_id)
        return f"{chosen}.{hmac.digest(key, f'{document}:{number}'.encode(), 'sha256').hex()}"

    def pseudonyms(self, document: str, number: str) -> dict[str, str]:
        """Return the same under each link key, by key id, the current one first."""
        return {key_id: self.pseudonym(document, number, key_id) for key_id in self.link_keys}

    def encrypt(self, purpose: str, text: bytes, bound_to: bytes = b"") -> bytes:
        """Seal bytes that belong to no person (stored answers, wrapped keys): key id, nonce, AES-256-GCM."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = AESGCM(self.derived(purpose)).encrypt(nonce, text, bound_to)
        return self.current.encode() + b"\x00" + nonce + sealed

    @staticmethod
    def key_id_of(blob: bytes) -> str:
        """Return the id of the service key that sealed what `encrypt` returned."""
        return blob.partition(b"\x00")[0].decode()

    def decrypt(self, purpose: str, blob: bytes, bound_to: bytes = b"") -> bytes:
        """Open what `encrypt` sealed; raise `cryptography.exceptions.InvalidTag` if it was altered or moved."""
        key_id, _, rest = blob.partition(b"\x00")
        key = self.derived(purpose, key_id.decode())
        return AESGCM(key).decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], bound_to)


def _framed(parts: Iterable[bytes]) -> bytes:
    return b"".join([len(part).to_bytes(4) + part for part in parts])


def _chosen(ring: Mapping[str, bytes], kind: str, key_id: str | None) -> tuple[str, bytes]:
    if not ring:
        message = f"this service holds no {kind} key"
        raise LookupError(message)
    chosen = key_id or next(iter(ring))
    return chosen, ring[chosen]


def fingerprint(text: str) -> bytes:
    """Return SHA-256 of a text that is no secret of low entropy, such as a token."""
    return hashlib.sha256(text.encode()).digest()


def missing(wanted: Iterable[UUID], known: Mapping[UUID, object]) -> set[UUID]:
    """Return the ids whose keys are not loaded yet."""
    return {person for person in wanted if person not in known}
