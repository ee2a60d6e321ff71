"""Identifiers: time-ordered ids for machines, short checked references for the telephone."""

import secrets
from uuid import UUID

from stdnum.iso7064 import mod_37_2
from uuid_utils.compat import uuid7

REFERENCE_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""No 0, 1, I, L or O: they are misheard and misread."""
REFERENCE_LENGTH = 8


def new_id() -> UUID:
    """Return a UUIDv7 (RFC 9562, section 5.7)."""
    return uuid7()


def new_reference() -> str:
    """Return a random reference such as `7K3Q-XM4P-T`; the last character checks the others (ISO/IEC 7064, MOD 37-2)."""
    while True:
        body = "".join(secrets.choice(REFERENCE_ALPHABET) for _ in range(REFERENCE_LENGTH))
        check = mod_37_2.calc_check_digit(body)
        if check in REFERENCE_ALPHABET:
            return f"{body[:4]}-{body[4:]}-{check}"


def is_reference(text: str) -> bool:
    """Say whether `text`, as read out on the telephone, is a well-formed reference; dashes, spaces and case do not count."""
    compact = text.upper().replace("-", "").replace(" ", "")
    return (
        len(compact) == REFERENCE_LENGTH + 1 and set(compact) <= set(REFERENCE_ALPHABET) and mod_37_2.is_valid(compact)
    )
