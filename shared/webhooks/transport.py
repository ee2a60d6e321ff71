"""Carries one webhook to a receiver that is trusted in nothing, and tells what came of it."""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from types import TracebackType
from typing import Self

import aiohttp
from aiohappyeyeballs import AddrInfoType
from aiohttp.abc import AbstractResolver
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from shared.clock import now
from shared.logging import get_logger, where
from shared.webhooks.addresses import UndeliverableUrlError, check_url, is_deliverable
from shared.webhooks.answers import AnswerTooLongError, BoundedAnswer
from shared.webhooks.hosts import CheckedHosts, RefusedAddressError, SystemHosts
from shared.webhooks.outcome import Outcome, Reason, parse_retry_after, reason_of_status

DEADLINE = timedelta(seconds=15)
LARGEST_BODY = 16 * 1024
LONGEST_HEADER = 4096
MOST_HEADERS = 64

FAILURES: dict[type[Exception], Reason] = {
    TimeoutError: Reason.TIMEOUT,
    UndeliverableUrlError: Reason.REFUSED_ADDRESS,
    # aiohttp's own refusal of hosts such as 2130706433 or 127.1.
    aiohttp.InvalidURL: Reason.REFUSED_ADDRESS,
    aiohttp.ClientSSLError: Reason.TLS_FAILED,
    AnswerTooLongError: Reason.TOO_LARGE,
    aiohttp.ClientResponseError: Reason.INVALID_ANSWER,
    aiohttp.ClientPayloadError: Reason.INVALID_ANSWER,
    aiohttp.ClientError: Reason.CONNECTION_FAILED,
    OSError: Reason.CONNECTION_FAILED,
}
"""What failures mean; some are kinds of others, and the first that fits counts."""

log = get_logger("webhooks")


@dataclass(slots=True)
class _Answer:
    """What is known of an answer so far, kept outside the exchange because a deadline may cut it short."""

    status: int | None = None
    retry_after: timedelta | None = None


class Sender:
    """Sends webhooks over one aiohttp session; made inside a running event loop, and closed or used as `async with`.

    Outside production, plain http and loopback addresses are allowed too. `resolver` and `tls` replace the operating
    system's names and trusted certificates, `clock` (aware) the time a `Retry-After` date is compared with.
    """

    def __init__(
        self,
        *,
        production: bool,
        resolver: AbstractResolver | None = None,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._production = production
        self._clock = clock
        self._hosts = CheckedHosts(resolver or SystemHosts(), self._permits)
        self._session = aiohttp.ClientSession(
            connector=self._connector(tls),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "baoho-webhooks/1", "Content-Type": "application/json"},
            skip_auto_headers=["Accept-Encoding"],
            timeout=aiohttp.ClientTimeout(),  # None of its own: the deadline over the whole exchange is the only one.
            auto_decompress=False,
            trust_env=False,
            read_bufsize=LARGEST_BODY,
            max_line_size=LONGEST_HEADER,
            max_field_size=LONGEST_HEADER,
            max_headers=MOST_HEADERS,
        )

    def _connector(self, tls: ssl.SSLContext | None) -> aiohttp.TCPConnector:
        connector = aiohttp.TCPConnector(
            ssl=tls or True,
            resolver=self._hosts,
            use_dns_cache=False,
            force_close=True,  # Each message is a new dial, and each dial is checked: nothing is left to rebind.
            limit=0,  # A common limit would let hanging partners use it up; the dispatcher limits each endpoint.
            socket_factory=self._socket,
        )
        # aiohttp 3.14 has no public place for this; the tests with endless answers fail should it lose its effect.
        handler: type[ResponseHandler] = BoundedAnswer
        connector._factory = partial(handler, loop=asyncio.get_running_loop())  # noqa: SLF001
        return connector

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Break what is under way and let go of connections and threads."""
        await self._session.close()
        await self._hosts.close()

    async def send(
        self, url: str, headers: Mapping[str, str], body: bytes, *, deadline: timedelta = DEADLINE
    ) -> Outcome:
        """POST `body` once; whatever the receiver does is an Outcome, and only CancelledError is ever raised.

        `deadline` spans resolving, connecting, the request and the whole answer. Only a 2xx answer's body is read, up
        to 16 KiB and for nothing but to see the exchange end; any other status says enough.
        """
        started = time.monotonic()
        answer = _Answer()
        try:
            async with asyncio.timeout(deadline.total_seconds()):
                reason = await self._exchange(url, headers, body, answer)
        except Exception as failure:  # noqa: BLE001 - what aiohttp did not foresee must not bring the dispatcher down.
            reason = _reason_of_failure(failure)
        elapsed = timedelta(seconds=time.monotonic() - started)
        return Outcome(answer.status, reason, answer.retry_after, elapsed)

    async def _exchange(self, url: str, headers: Mapping[str, str], body: bytes, answer: _Answer) -> Reason:
        check_url(url, production=self._production)
        async with self._session.post(URL(url), headers=headers, data=body, allow_redirects=False) as response:
            answer.status = response.status
            reason = reason_of_status(response.status)
            if reason is not Reason.DELIVERED:
                answer.retry_after = parse_retry_after(response.headers.get("Retry-After"), self._clock())
            elif not await _fits(response.content):
                reason = Reason.TOO_LARGE
            return reason

    def _permits(self, ip: str) -> bool:
        return is_deliverable(ip, allow_loopback=not self._production)

    def _socket(self, info: AddrInfoType) -> socket.socket:
        """Make the socket for one address; aiohttp calls this right before each dial, be it literal or resolved."""
        family, kind, protocol, _, address = info
        if not self._permits(address[0]):
            raise RefusedAddressError
        return socket.socket(family, kind, protocol)


async def _fits(content: aiohttp.StreamReader) -> bool:
    """Read to the end; False as soon as the body is above the cap."""
    size = 0
    async for piece in content.iter_any():
        size += len(piece)
        if size > LARGEST_BODY:
            return False
    return True


def _reason_of_failure(failure: Exception) -> Reason:
    if isinstance(failure, aiohttp.ClientConnectorError) and isinstance(failure.os_error, RefusedAddressError):
        return Reason.REFUSED_ADDRESS
    for kind, reason in FAILURES.items():
        if isinstance(failure, kind):
            return reason
    log.error("webhook_attempt_unforeseen", error=where(failure))
    return Reason.UNFORESEEN
