"""What one attempt at a delivery ended in, as the attempt log keeps it and the schedule reads it."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from http import HTTPStatus

LONGEST_RETRY_AFTER = timedelta(hours=24)
SLOW_DOWN_STATUSES = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT})
# Ten digits are 317 years; more is nonsense, and Python refuses to convert a number of thousands of digits.
DELTA_SECONDS = re.compile(r"-?[0-9]{1,10}", re.ASCII)
IMF_FIXDATE = "%a, %d %b %Y %H:%M:%S GMT"


class Reason(StrEnum):
    """Why an attempt counts as it does; only `DELIVERED` is a success."""

    CONNECTION_FAILED = "connection_failed"
    """The name did not resolve, nobody listened, or the connection broke before an answer."""
    DELIVERED = "delivered"
    """The answer was 2xx, and all of it came."""
    GONE = "gone"
    """The answer was 410: the partner wants nothing more here."""
    HTTP_ERROR = "http_error"
    """The answer had any other status."""
    INVALID_ANSWER = "invalid_answer"
    """What came back was not whole, valid HTTP, or its headers were beyond our limits."""
    REDIRECT = "redirect"
    """The answer was 3xx, which is never followed."""
    REFUSED_ADDRESS = "refused_address"
    """The URL, or an address its name stands for, is one that is never dialled."""
    SLOW_DOWN = "slow_down"
    """The answer was 429, 502 or 504: the endpoint is to be given fewer messages at a time."""
    TIMEOUT = "timeout"
    """The whole exchange did not fit into its deadline."""
    TLS_FAILED = "tls_failed"
    """The certificate or the handshake was bad."""
    TOO_LARGE = "too_large"
    """The answer was 2xx with a body above 16 KiB, or anything above 64 KiB before its headers were complete."""
    UNFORESEEN = "unforeseen"
    """The attempt failed in a way that is a mistake of ours; the log names the exception's type."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One attempt: HTTP status if one came, why it counts as it does, the wait that was asked for, and its duration."""

    status: int | None
    reason: Reason
    retry_after: timedelta | None
    elapsed: timedelta


def reason_of_status(status: int) -> Reason:
    """Tell what an answer's status alone says."""
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Reason.DELIVERED
    if status == HTTPStatus.GONE:
        return Reason.GONE
    if status in SLOW_DOWN_STATUSES:
        return Reason.SLOW_DOWN
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return Reason.REDIRECT
    return Reason.HTTP_ERROR


def parse_retry_after(value: str | None, now: datetime) -> timedelta | None:
    """Read a `Retry-After` header (RFC 9110 section 10.2.3): seconds or an IMF-fixdate, kept within 0 and 24 hours.

    None if there is none, or if it is nonsense.
    """
    text = (value or "").strip()
    if DELTA_SECONDS.fullmatch(text):
        wait = timedelta(seconds=int(text))
    else:
        try:
            wait = datetime.strptime(text, IMF_FIXDATE).replace(tzinfo=UTC) - now
        except ValueError:
            return None
    return min(max(wait, timedelta()), LONGEST_RETRY_AFTER)
