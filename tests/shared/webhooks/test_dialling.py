"""What is never dialled, however it is written, and what TLS must prove."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from shared.webhooks import Outcome, Reason, Sender
from tests.shared.webhooks.certificates import self_signed
from tests.shared.webhooks.receivers import answers, hangs, receiver
from tests.shared.webhooks.resolvers import Says

pytestmark = pytest.mark.anyio

BODY = b"{}"


@pytest.fixture
async def production() -> AsyncIterator[Sender]:
    async with Sender(production=True) as sender:
        yield sender


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "127.1",
        "0x7f.1",
        "0x7f000001",
        "0177.0.0.1",
        "017700000001",
        "１２７.0.0.1",
        "127.0.0.1.",
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "2852039166",
        "172.16.0.1",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "[::]",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:a9fe:a9fe]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "[fe80::1%25lo]",
        "[fd00:ec2::254]",
        "user@127.0.0.1",
        "partner.example@127.0.0.1",
    ],
)
async def test_an_inner_address_is_refused_however_it_is_written(production: Sender, host: str) -> None:
    async with receiver(answers(200)) as inner:
        outcome = await production.send(f"https://{host}:{inner.port}/hook", {}, BODY)

    assert (outcome.status, outcome.reason) == (None, Reason.REFUSED_ADDRESS)
    assert inner.requests == []


async def test_development_dials_loopback_and_no_further() -> None:
    async with receiver(answers(200)) as partner, Sender(production=False) as sender:
        for host in ("127.0.0.1", "localhost", "0x7f.1", "[::ffff:127.0.0.1]"):
            assert (await sender.send(partner.url(host), {}, BODY)).reason is Reason.DELIVERED
        for host in ("10.0.0.1", "0.0.0.0", "[::ffff:10.0.0.1]", "[fe80::1]"):
            assert (await sender.send(partner.url(host), {}, BODY)).reason is Reason.REFUSED_ADDRESS


async def test_a_v6_loopback_is_dialled_in_development() -> None:
    async with receiver(answers(200), host="::1") as partner, Sender(production=False) as sender:
        outcome = await sender.send(partner.url("[::1]"), {}, BODY)

    assert outcome.reason is Reason.DELIVERED


@pytest.mark.parametrize("url", ["http://partner.example/hook", "https://partner.example/#x", "not a url", ""])
async def test_a_url_that_is_unsound_by_its_form_is_not_even_resolved(url: str) -> None:
    names = Says(["1.1.1.1"])

    async with Sender(production=True, resolver=names) as sender:
        outcome = await sender.send(url, {}, BODY)

    assert outcome.reason is Reason.REFUSED_ADDRESS
    assert names.asked == []


@pytest.mark.parametrize("answer", [["127.0.0.1", "10.0.0.1"], ["10.0.0.1", "127.0.0.1"], ["127.0.0.1", "fe80::1"]])
async def test_a_name_with_a_public_and_a_private_record_is_refused(answer: list[str]) -> None:
    async with (
        receiver(answers(200)) as public,  # In development loopback stands for the public internet.
        Sender(production=False, resolver=Says(answer)) as sender,
    ):
        outcome = await sender.send(public.url("partner.example"), {}, BODY)

    assert outcome.reason is Reason.REFUSED_ADDRESS
    assert public.requests == []


async def test_a_name_that_turns_inward_between_two_connections_is_refused() -> None:
    names = Says(["127.0.0.1"], ["169.254.169.254"])

    async with receiver(answers(200)) as public, Sender(production=False, resolver=names) as sender:
        outcomes = [await sender.send(public.url("partner.example"), {}, BODY) for _ in range(3)]

    assert [outcome.reason for outcome in outcomes] == [Reason.DELIVERED] + [Reason.REFUSED_ADDRESS] * 2
    assert len(names.asked) == 3
    assert len(public.requests) == 1


async def test_a_resolver_that_answers_with_a_name_is_refused() -> None:
    async with receiver(answers(200)) as inner, Sender(production=False, resolver=Says(["localhost"])) as sender:
        outcome = await sender.send(inner.url("partner.example"), {}, BODY)

    assert outcome.reason is Reason.REFUSED_ADDRESS
    assert inner.requests == []


async def test_of_several_addresses_the_one_that_answers_is_enough() -> None:
    names = Says(["::1", "127.0.0.1"])

    async with receiver(answers(200)) as partner, Sender(production=False, resolver=names) as sender:
        outcome = await sender.send(partner.url("partner.example"), {}, BODY)

    assert outcome.reason is Reason.DELIVERED


@pytest.mark.parametrize("host", ["partner.invalid", "a..example", "a" * 64 + ".example", "h%00"])
async def test_a_name_that_is_none_is_a_failed_connection(production: Sender, host: str) -> None:
    outcome = await production.send(f"https://{host}/hook", {}, BODY)

    assert outcome.reason is Reason.CONNECTION_FAILED


async def over_tls(tls: ssl.SSLContext, trusted: ssl.SSLContext | None, host: str) -> Outcome:
    names = Says(["127.0.0.1"])
    async with (
        receiver(answers(200), tls=tls) as partner,
        Sender(production=False, resolver=names, tls=trusted) as sender,
    ):
        return await sender.send(partner.url(host), {}, BODY)


@pytest.mark.parametrize("host", ["partner.example", "127.0.0.1"])
async def test_a_trusted_certificate_of_the_right_name_is_accepted(tmp_path: Path, host: str) -> None:
    tls, trusted = self_signed(tmp_path)

    outcome = await over_tls(tls, trusted, host)

    assert outcome.reason is Reason.DELIVERED


async def test_a_certificate_of_another_name_is_refused(tmp_path: Path) -> None:
    tls, trusted = self_signed(tmp_path)

    outcome = await over_tls(tls, trusted, "other.example")

    assert outcome.reason is Reason.TLS_FAILED


async def test_a_certificate_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    tls, _ = self_signed(tmp_path)

    outcome = await over_tls(tls, None, "partner.example")

    assert outcome.reason is Reason.TLS_FAILED


async def test_a_receiver_that_hangs_over_tls_runs_into_the_deadline(tmp_path: Path) -> None:
    tls, trusted = self_signed(tmp_path)

    async with receiver(hangs, tls=tls) as partner, Sender(production=False, tls=trusted) as sender:
        outcome = await sender.send(partner.url(), {}, BODY, deadline=timedelta(seconds=0.7))

    assert outcome.reason is Reason.TIMEOUT


async def test_a_receiver_that_speaks_no_tls_is_refused() -> None:
    async def greets(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.partner.example ESMTP\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(greets, "127.0.0.1", 0) as plain, Sender(production=False) as sender:
        port = plain.sockets[0].getsockname()[1]
        outcome = await sender.send(f"https://127.0.0.1:{port}/", {}, BODY)

    assert outcome.reason is Reason.TLS_FAILED
