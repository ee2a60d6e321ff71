"""Canaries: personal details that occur nowhere else, and a detector that knows them in every dress."""

import base64
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

from shared.names import fold

NAME = "Đoàn Thị Zắngquơ"
SECOND_NAME = "Zắngquơ Xươngvẻ"
PHONE = "0977 123 987"
NUMBER = "001187739215"
PASSPORT = "C7390482"
BORN_ON = "1987-11-23"
NARRATIVE = "Chủ nhà khóa cửa gác xép số 7394821, Vẹtngọ chỉ được ra ngoài một lần."
REASON = "Bớt gấp vì Kệtrủm đã gọi lại."
EVIDENCE = "Ảnh vết bầm do Huýtsẩy chụp."
NOTE = "Bác sĩ Nhọnmẫu xác nhận."

NEEDLES: Mapping[str, str] = {
    "name": "Zắngquơ",
    "second name": "Xươngvẻ",
    "phone": "977123987",
    "phone as typed": PHONE,
    "number": NUMBER,
    "passport": PASSPORT,
    "date of birth": BORN_ON,
    "address": "7394821",
    "narrative": "Vẹtngọ",
    "reason": "Kệtrủm",
    "evidence": "Huýtsẩy",
    "note": "Nhọnmẫu",
}
"""The part of each canary that occurs in no other text of the house."""
BYTEA = re.compile(rb"\\\\?x([0-9a-f]{2,})")


def spellings(needle: str) -> set[str]:
    """Return how a text may be written: composed, decomposed, in small and capital letters, without marks."""
    composed = unicodedata.normalize("NFC", needle)
    written = {composed, unicodedata.normalize("NFD", composed), fold(composed), composed.lower(), composed.upper()}
    return written | {fold(composed).replace(" ", ""), composed.replace("-", "")}


def dresses(spelling: str) -> dict[str, bytes]:
    """Return how a written text may be encoded."""
    plain = spelling.encode()
    encoded = {
        "as it is": plain,
        "escaped as in JSON": json.dumps(spelling)[1:-1].encode(),
        "escaped as in a URL": quote(spelling).encode(),
        "in hexadecimal digits": plain.hex().encode(),
        "in UTF-16": spelling.encode("utf-16-le"),
    }
    return encoded | {f"in base64 from {start}": _base64_core(plain, start) for start in range(3)}


def _base64_core(plain: bytes, start: int) -> bytes:
    """Return those digits of base64 that do not depend on what stands before and behind."""
    whole = base64.b64encode(bytes(start) + plain)
    first = (8 * start + 5) // 6
    return whole[first : 8 * (start + len(plain)) // 6]


def patterns() -> dict[bytes, str]:
    """Return everything to look for, each with what it is."""
    known: dict[bytes, str] = {}
    for name, needle in NEEDLES.items():
        for spelling in sorted(spellings(needle)):
            for how, code in dresses(spelling).items():
                known.setdefault(code, f"{name} {how}")
    return known


PATTERNS = patterns()


def found_in(haystack: bytes) -> set[str]:
    """Return which canaries a haystack holds, also within binary columns that a dump shows in hexadecimal digits."""
    binary = b"\n".join(bytes.fromhex(digits.decode()[: len(digits) // 2 * 2]) for digits in BYTEA.findall(haystack))
    everything = b"\n".join((haystack, haystack.lower(), binary))
    return {what for code, what in PATTERNS.items() if code in everything}


def sightings(sources: Mapping[str, Iterable[bytes]]) -> Iterator[str]:
    """Say where which canary is seen."""
    for source, parts in sources.items():
        for what in sorted(found_in(b"\n".join(parts))):
            yield f"{source}: {what}"
