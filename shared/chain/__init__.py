"""The audit chain: the MAC of each sealed row covers its number, the MAC before it, and every word of the row."""

import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import ColumnElement, Text, cast, func, type_coerce
from sqlalchemy.types import NullType

from shared.tables import audit

START = bytes(32)
"""Stands for the MAC before the first row's."""

ROW: tuple[ColumnElement[Any], ...] = (
    audit.c.id,
    cast(func.extract("epoch", audit.c.at), Text),
    *(type_coerce(column, NullType()) for column in audit.c if column.name not in ("id", "at")),
)
"""A row as it is sealed: every column, the instant as seconds since 1970, which depends on no setting of a session.

Without types: the driver's own values are sealed, and no time is spent on turning them into the same again.
"""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def canonical(row: Sequence[Any]) -> bytes:
    """Return the one form of a row that is sealed: a JSON array of `ROW`, in UTF-8, without spaces."""
    return _encode(tuple(row)).encode()


class Ring:
    """The keys of one service's chain: the first seals, the others still verify what they sealed."""

    def __init__(self, service: str, keys: Mapping[str, bytes]) -> None:
        self.current = next(iter(keys))
        self._keys = {key_id: _derived(service, key) for key_id, key in keys.items()}

    def __contains__(self, key_id: str) -> bool:
        return key_id in self._keys

    def mac(self, key_id: str, n: int, previous: bytes, row: bytes) -> bytes:
        """Return HMAC-SHA-256 over the number (8 bytes), the previous MAC (32 bytes) and the row's canonical form."""
        return hmac.digest(self._keys[key_id], n.to_bytes(8) + previous + row, "sha256")


def _derived(service: str, key: bytes) -> bytes:
    """Derive the chain's key (HKDF-SHA-256): a seal of one service is worth nothing in another's chain."""
    return HKDF(SHA256(), 32, salt=None, info=f"baoho/{service}/audit".encode()).derive(key)
