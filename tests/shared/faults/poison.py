"""Records that no retry can help, each made from a sound one, and the reasons under which they must be kept."""

import json
from collections.abc import Callable

from shared.bus import Record

Spoil = Callable[[Record], Record]


def _header(name: str, value: bytes | None) -> Spoil:
    """Replace or add a header."""

    def spoil(record: Record) -> Record:
        others = tuple(pair for pair in record.headers if pair[0] != name)
        return record._replace(headers=(*others, (name, value)))

    return spoil


def _without(name: str) -> Spoil:
    return lambda record: record._replace(headers=tuple(pair for pair in record.headers if pair[0] != name))


def _value(value: bytes | None) -> Spoil:
    return lambda record: record._replace(value=value)


def _large(record: Record) -> Record:
    """Make an event of 2 MB out of a sound one: nothing but its size is wrong."""
    sound = json.loads(record.value or b"")
    return record._replace(value=json.dumps({**sound, "note": "x" * 2_000_000}).encode())


def _twice(record: Record) -> Record:
    return record._replace(headers=(*record.headers, ("ce_id", b"again")))


_CASES: dict[str, tuple[Spoil, str]] = {
    "null header": (_header("ce_subject", None), "null_header"),
    "repeated header": (_twice, "repeated_header"),
    "bad UTF-8 in a header": (_header("ce_subject", b"\xff\xfe"), "header_encoding"),
    "other specversion": (_header("ce_specversion", b"0.3"), "specversion"),
    "no specversion": (_without("ce_specversion"), "specversion"),
    "no id": (_without("ce_id"), "missing:ce_id"),
    "no time": (_without("ce_time"), "missing:ce_time"),
    "foreign source": (_header("ce_source", b"/elsewhere"), "source"),
    "unknown type": (_header("ce_type", b"nobody.heard_of.v1"), "unknown_type"),
    "other content type": (_header("content-type", b"application/xml"), "content_type"),
    "null value": (_value(None), "no_payload"),
    "invalid JSON": (_value(b'{"counter_id": '), "schema"),
    "value in no UTF-8": (_value(b"\xff\xfe"), "schema"),
    "wrong schema": (_value(b'{"counter_id": "one", "number": "two"}'), "schema"),
    "id that is none": (_header("ce_id", b"1"), "header_form"),
    "time without zone": (_header("ce_time", b"2026-11-22T10:00:00"), "header_form"),
    "sequence that is none": (_header("ce_sequence", "٠٠٠٠٠٠٠٠١٢".encode()), "header_form"),
    "2 MB": (_large, "payload_size"),
    "key of another": (_header("ce_partitionkey", b"another"), "header_form"),
}
POISON: dict[str, Spoil] = {name: spoil for name, (spoil, _) in _CASES.items()}
REASONS: dict[str, str] = {name: reason for name, (_, reason) in _CASES.items()}
NEVER_IN_A_MAILBOX = {"null header", "repeated header", "bad UTF-8 in a header", "null value"}
"""What PostgreSQL's columns cannot hold, and what so never travels by the embedded carrier."""
