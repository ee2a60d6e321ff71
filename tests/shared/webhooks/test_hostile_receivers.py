"""One attempt against receivers that mean harm, or cannot help it, all of them real servers on loopback."""

import asyncio
import gzip
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.webhooks import Outcome, Reason, Sender
from tests.shared.webhooks.receivers import (
    Behaviour,
    Floods,
    answers,
    attempt,
    hangs,
    resets,
    says,
    trickles,
)

pytestmark = pytest.mark.anyio

SHORT = timedelta(seconds=0.7)
ANSWER = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("behave", "status"),
    [
        (hangs, None),
        (trickles(ANSWER + b"X-Slow: "), None),
        (trickles(ANSWER + b"\r\n"), 200),
        (trickles(ANSWER + b"Content-Length: 1000000\r\n\r\n"), 200),
    ],
    ids=["hang", "slow header", "slow body", "slow long body"],
)
async def test_what_does_not_end_runs_into_the_deadline(sender: Sender, behave: Behaviour, status: int | None) -> None:
    outcome = await attempt(sender, behave, SHORT)

    assert (outcome.status, outcome.reason) == (status, Reason.TIMEOUT)


@pytest.mark.parametrize(
    ("floods", "status"),
    [
        (Floods(ANSWER + b"Content-Length: 1000000000\r\n\r\n", bytes(64 * 1024)), 200),
        (Floods(ANSWER + b"\r\n", b"x"), 200),
        (Floods(ANSWER + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 1000), 200),
        (Floods(ANSWER + b"Transfer-Encoding: chunked\r\n\r\n1", b";extension=1" * 1000), 200),
        (Floods(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000), None),
    ],
    ids=["a gigabyte", "byte by byte", "chunk by chunk", "endless chunk extension", "endless 100"],
)
async def test_a_flood_is_cut_off_at_once(sender: Sender, floods: Floods, status: int | None) -> None:
    outcome = await attempt(sender, floods)

    assert (outcome.status, outcome.reason) == (status, Reason.TOO_LARGE)
    assert floods.sent < 50_000_000


async def test_headers_that_are_long_together_are_cut_off_too(sender: Sender) -> None:
    outcome = await attempt(sender, says(ANSWER + b"".join(b"X-%d: %4000d\r\n" % (i, i) for i in range(40)) + b"\r\n"))

    assert (outcome.status, outcome.reason) == (None, Reason.TOO_LARGE)


async def test_an_error_page_larger_than_what_is_read_still_says_its_status(sender: Sender) -> None:
    outcome = await attempt(sender, answers(410, body=bytes(300_000)))

    assert (outcome.status, outcome.reason) == (410, Reason.GONE)


@pytest.mark.parametrize(("size", "reason"), [(16 * 1024, Reason.DELIVERED), (16 * 1024 + 1, Reason.TOO_LARGE)])
async def test_the_cap_is_16_kib(sender: Sender, size: int, reason: Reason) -> None:
    outcome = await attempt(sender, answers(200, body=bytes(size)))

    assert outcome.reason is reason


async def test_of_an_error_page_only_the_status_is_read(sender: Sender) -> None:
    floods = Floods(b"HTTP/1.1 410 Gone\r\n\r\n", bytes(64 * 1024))

    outcome = await attempt(sender, floods)

    assert outcome.reason is Reason.GONE
    assert floods.sent < 50_000_000


@pytest.mark.parametrize(
    "behave",
    [
        Floods(ANSWER, b"X-More: 1\r\n"),
        Floods(ANSWER + b"X-Long: ", b"x" * 1000),
        Floods(ANSWER, b"x" * 1000),
        Floods(b"", b"HTTP" * 250),
        says(ANSWER + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n"),
        says(b"SSH-2.0-OpenSSH_9.6\r\n"),
        says(b"\x15\x03\x01\x00\x02\x02\x46"),
        trickles(b""),
        says(ANSWER + b"Content-Length: 10\r\n\r\nshort"),
        says(ANSWER + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
        Floods(ANSWER + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X-More: 1\r\n"),
    ],
    ids=[
        "endless headers",
        "endless value",
        "endless name",
        "endless status",
        "two lengths",
        "ssh",
        "tls",
        "slow nonsense",
        "half a body",
        "bad chunk",
        "endless trailers",
    ],
)
async def test_what_is_not_whole_valid_http_is_an_invalid_answer(sender: Sender, behave: Behaviour) -> None:
    outcome = await attempt(sender, behave)

    # Whether the status counts as known depends on how the bytes fell into packets.
    assert outcome.status in (None, 200)
    assert outcome.reason is Reason.INVALID_ANSWER


async def test_a_gzip_bomb_is_not_unpacked(sender: Sender) -> None:
    bomb = gzip.compress(bytes(10_000_000))

    outcome = await attempt(sender, answers(200, {"Content-Encoding": "gzip"}, bomb))

    assert len(bomb) < 16 * 1024
    assert outcome.reason is Reason.DELIVERED


@pytest.mark.parametrize("behave", [resets, says(b""), says(ANSWER)], ids=["reset", "silent close", "half a head"])
async def test_no_answer_is_a_failed_connection(sender: Sender, behave: Behaviour) -> None:
    outcome = await attempt(sender, behave)

    assert (outcome.status, outcome.reason) == (None, Reason.CONNECTION_FAILED)


pieces = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n",
        b"HTTP/1.0 302 Found\r\nLocation: ::://\r\n",
        b"HTTP/1.1 999 \xff\r\n",
        b"Content-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Content-Encoding: br\r\n",
        b"Set-Cookie: \xff=\x01; Expires=x\r\n",
        b"Content-Type: \xff/;;;charset=\r\n",
        b"Link: <\xff>; rel=\r\n",
        b"Retry-After: \xff\r\n",
        b"Location: http://[::1\r\n",
        b"\r\n",
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b"hello",
        b"\x00",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(pieces | st.binary(max_size=20), max_size=8).map(b"".join))
def test_whatever_a_receiver_says_is_an_outcome(data: bytes) -> None:
    async def send() -> Outcome:
        async with Sender(production=False) as sender:
            return await attempt(sender, says(data), timedelta(seconds=5))

    outcome = asyncio.run(send())

    assert outcome.reason is not Reason.UNFORESEEN
