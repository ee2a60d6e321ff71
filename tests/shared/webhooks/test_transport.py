"""One attempt against receivers that mean well, all of them real servers on loopback."""

import asyncio
import socket
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from shared.webhooks import Reason, Sender, SymmetricKey, new_secret, sign, verify
from tests.shared.webhooks.receivers import (
    answers,
    attempt,
    hangs,
    receiver,
)

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 6, 8, 49, 37, tzinfo=UTC)
BODY = b'{"type":"referral.requested.v1"}'


async def test_a_webhook_arrives_whole_and_verifies(sender: Sender) -> None:
    key = SymmetricKey.load(new_secret())
    async with receiver(answers(200)) as partner:
        outcome = await sender.send(partner.url(), sign("msg_1", NOW, BODY, [key]), BODY)

    lines = partner.requests[0].decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
    headers["webhook-signature"] = sign("msg_1", NOW, BODY, [key])["webhook-signature"]
    assert lines[0] == "POST /hook HTTP/1.1"
    assert partner.bodies == [BODY]
    verify(headers, partner.bodies[0], [key], NOW)
    assert (outcome.status, outcome.reason, outcome.retry_after) == (200, Reason.DELIVERED, None)
    assert outcome.elapsed > timedelta()


async def test_the_request_says_no_more_than_it_must(sender: Sender) -> None:
    async with receiver(answers(204)) as partner:
        await sender.send(partner.url(), {"webhook-id": "msg_1"}, BODY)

    names = {line.partition(":")[0].lower() for line in partner.requests[0].decode().split("\r\n")[1:] if line}
    assert names == {"host", "user-agent", "content-type", "accept", "content-length", "connection", "webhook-id"}
    assert b"Python" not in partner.requests[0]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (500, Reason.HTTP_ERROR),
        (404, Reason.HTTP_ERROR),
        (410, Reason.GONE),
        (429, Reason.SLOW_DOWN),
        (502, Reason.SLOW_DOWN),
        (504, Reason.SLOW_DOWN),
    ],
)
async def test_a_status_that_is_no_success_says_why(sender: Sender, status: int, reason: Reason) -> None:
    outcome = await attempt(sender, answers(status))

    assert (outcome.status, outcome.reason) == (status, reason)


async def test_500_three_times_and_then_200_is_delivered_at_the_fourth_try(sender: Sender) -> None:
    behaviours = iter([answers(500)] * 3 + [answers(200)])

    async def recovers(writer: asyncio.StreamWriter) -> None:
        await next(behaviours)(writer)

    async with receiver(recovers) as partner:
        outcomes = [await sender.send(partner.url(), {}, BODY) for _ in range(4)]

    assert [outcome.status for outcome in outcomes] == [500, 500, 500, 200]
    assert partner.bodies == [BODY] * 4


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_a_link_local_address_is_not_followed(sender: Sender, status: int) -> None:
    outcome = await attempt(sender, answers(status, {"Location": "http://169.254.169.254/latest/meta-data/"}))

    assert (outcome.status, outcome.reason) == (status, Reason.REDIRECT)


async def test_a_redirect_to_a_fine_address_is_not_followed_either(sender: Sender) -> None:
    async with (
        receiver(answers(200)) as other,
        receiver(answers(307, {"Location": other.url()})) as partner,
    ):
        outcome = await sender.send(partner.url(), {}, BODY)

    assert outcome.reason is Reason.REDIRECT
    assert other.requests == []


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("120", timedelta(minutes=2)),
        ("Fri, 06 Nov 2026 08:51:37 GMT", timedelta(minutes=2)),
        ("-1", timedelta()),
        ("soon", None),
        ("99999999", timedelta(hours=24)),
    ],
)
async def test_the_wait_a_receiver_asks_for_is_told(sender: Sender, value: str, wait: timedelta | None) -> None:
    outcome = await attempt(sender, answers(429, {"Retry-After": value}))

    assert (outcome.reason, outcome.retry_after) == (Reason.SLOW_DOWN, wait)


async def test_a_date_to_retry_after_is_compared_with_the_present() -> None:
    long_ago = {"Retry-After": "Sun, 06 Nov 1994 08:49:37 GMT"}

    async with Sender(production=False) as sender:
        outcome = await attempt(sender, answers(503, long_ago))

    assert outcome.retry_after == timedelta()


async def test_nobody_listening_is_a_failed_connection(sender: Sender) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    outcome = await sender.send(f"http://127.0.0.1:{port}/", {}, BODY)

    assert (outcome.status, outcome.reason) == (None, Reason.CONNECTION_FAILED)


async def test_cookies_are_not_kept(sender: Sender) -> None:
    async with receiver(answers(200, {"Set-Cookie": "a=b; Path=/"})) as partner:
        for _ in range(2):
            await sender.send(partner.url("localhost"), {}, BODY)

    assert b"cookie" not in b"".join(partner.requests).lower()


async def test_a_proxy_in_the_environment_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiver(answers(200)) as proxy, receiver(answers(200)) as partner:
        monkeypatch.setenv("HTTP_PROXY", proxy.url())
        monkeypatch.setenv("http_proxy", proxy.url())
        async with Sender(production=False) as sender:
            await sender.send(partner.url(), {}, BODY)

    assert (len(proxy.requests), len(partner.requests)) == (0, 1)


async def test_a_hundred_and_fifty_hanging_receivers_do_not_hold_up_another(sender: Sender) -> None:
    async with receiver(hangs) as slow, receiver(answers(200)) as quick:
        hanging = [asyncio.create_task(sender.send(slow.url(), {}, BODY)) for _ in range(150)]
        await slow.has(150)

        outcome = await sender.send(quick.url(), {}, BODY)

        assert outcome.reason is Reason.DELIVERED
        assert not any(task.done() for task in hanging)
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)


async def test_a_mistake_of_ours_is_an_outcome_too_and_is_logged_without_details(sender: Sender) -> None:
    async with receiver(answers(200)) as partner:
        with capture_logs() as logged:
            outcome = await sender.send(partner.url(), {"webhook-id": "msg_1\r\nx: y"}, BODY)

    assert (outcome.status, outcome.reason) == (None, Reason.UNFORESEEN)
    assert partner.requests == []
    assert [entry["event"] for entry in logged] == ["webhook_attempt_unforeseen"]
    assert logged[0]["error"].startswith("ValueError at ")
    assert "msg_1" not in str(logged)


async def test_a_cancelled_attempt_is_cancelled(sender: Sender) -> None:
    async with receiver(hangs) as partner:
        task = asyncio.create_task(sender.send(partner.url(), {}, BODY))
        await partner.has(1)

        task.cancel()

        with pytest.raises(asyncio.CancelledError):
            await task


async def test_closing_breaks_off_what_is_under_way() -> None:
    async with receiver(hangs) as partner:
        sender = Sender(production=False)
        task = asyncio.create_task(sender.send(partner.url(), {}, BODY))
        await partner.has(1)

        await sender.close()
        outcome = await task

    assert outcome.reason is Reason.CONNECTION_FAILED
