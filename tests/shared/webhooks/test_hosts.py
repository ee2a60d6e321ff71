"""A name is refused whole, and the operating system is asked in threads of its own."""

import threading

import pytest

from shared.webhooks import is_deliverable
from shared.webhooks.hosts import CheckedHosts, RefusedAddressError, SystemHosts
from tests.shared.webhooks.resolvers import Says

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("answer", [["1.1.1.1", "10.0.0.1"], ["10.0.0.1", "1.1.1.1"], ["2606:4700::1111", "fe80::1"]])
async def test_a_name_with_one_private_address_is_refused_whole(answer: list[str]) -> None:
    names = CheckedHosts(Says(answer), is_deliverable)

    with pytest.raises(RefusedAddressError):
        await names.resolve("partner.example", 443)


async def test_a_public_name_keeps_its_order() -> None:
    names = CheckedHosts(Says(["2606:4700::1111", "1.1.1.1"]), is_deliverable)

    found = await names.resolve("partner.example", 443)

    assert [answer["host"] for answer in found] == ["2606:4700::1111", "1.1.1.1"]


async def test_of_a_crowd_of_addresses_only_the_first_are_tried_but_all_are_checked() -> None:
    crowd = [f"1.1.1.{last}" for last in range(1, 200)]

    found = await CheckedHosts(Says(crowd), is_deliverable).resolve("partner.example", 443)

    assert [answer["host"] for answer in found] == crowd[:8]
    with pytest.raises(RefusedAddressError):
        await CheckedHosts(Says([*crowd, "10.0.0.1"]), is_deliverable).resolve("partner.example", 443)


async def test_a_name_without_addresses_is_an_error() -> None:
    names = CheckedHosts(Says([]), is_deliverable)

    with pytest.raises(OSError, match="no address"):
        await names.resolve("partner.example", 443)


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "0x7f000001", "0177.0.0.1", "017700000001", "127.1"])
async def test_the_system_reads_numbers_in_disguise_and_they_are_refused(host: str) -> None:
    system = SystemHosts()

    found = await system.resolve(host, 443)

    assert {answer["host"] for answer in found} == {"127.0.0.1"}
    with pytest.raises(RefusedAddressError):
        await CheckedHosts(system, is_deliverable).resolve(host, 443)
    await system.close()


async def test_a_v6_address_comes_back_as_it_is() -> None:
    system = SystemHosts()

    found = await system.resolve("::1", 443)

    assert [answer["host"] for answer in found] == ["::1"]
    await system.close()


@pytest.mark.parametrize("host", ["a..example", "a" * 64 + ".example"])
async def test_what_cannot_be_a_name_is_an_error_like_any_other(host: str) -> None:
    system = SystemHosts()

    with pytest.raises(OSError, match="not a host name"):
        await system.resolve(host, 443)
    await system.close()


async def test_names_are_asked_in_threads_of_their_own() -> None:
    system = SystemHosts()

    await system.resolve("localhost", 443)

    assert any(thread.name.startswith("webhook-hosts") for thread in threading.enumerate())
    await system.close()


async def test_closing_closes_the_resolver_asked() -> None:
    says = Says(["1.1.1.1"])

    await CheckedHosts(says, is_deliverable).close()

    assert says.closed
