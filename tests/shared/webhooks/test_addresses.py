"""The deny list, range by range, and the form of a URL."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.webhooks import UndeliverableUrlError, check_url, is_deliverable

REFUSED_V4 = [
    ("0.0.0.0", "0.255.255.255"),
    ("10.0.0.0", "10.255.255.255"),
    ("100.64.0.0", "100.127.255.255"),
    ("127.0.0.0", "127.255.255.255"),
    ("169.254.0.0", "169.254.255.255"),
    ("172.16.0.0", "172.31.255.255"),
    ("192.0.0.0", "192.0.0.255"),
    ("192.0.2.0", "192.0.2.255"),
    ("192.88.99.0", "192.88.99.255"),
    ("192.168.0.0", "192.168.255.255"),
    ("198.18.0.0", "198.19.255.255"),
    ("198.51.100.0", "198.51.100.255"),
    ("203.0.113.0", "203.0.113.255"),
    ("224.0.0.0", "255.255.255.255"),
]
REFUSED_V6 = [
    ("::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("4000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
]
SPECIAL_V6 = [
    "::1",
    "::",
    "::7f00:1",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "100::1",
    "2001::7f00:1",
    "2002:7f00:1::",
    "5f00::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%lo",
    "fec0::1",
    "ff02::1",
]


v6_near_an_edge = st.builds(
    lambda edge, distance: IPv6Address(min(max(int(IPv6Address(edge)) + distance, 0), 2**128 - 1)),
    st.sampled_from([edge for edges in REFUSED_V6 for edge in edges]),
    st.integers(-3, 3),
)


@pytest.mark.parametrize(("first", "last"), REFUSED_V4 + REFUSED_V6)
def test_a_refused_range_is_refused_to_its_edges(first: str, last: str) -> None:
    assert not is_deliverable(first)
    assert not is_deliverable(last)


@pytest.mark.parametrize(("first", "last"), REFUSED_V4[1:-1])
def test_the_neighbours_of_a_refused_v4_range_are_allowed(first: str, last: str) -> None:
    before, after = str(ip_address(first) - 1), str(ip_address(last) + 1)

    assert is_deliverable(before) or in_another_range(before)
    assert is_deliverable(after) or in_another_range(after)


def in_another_range(ip: str) -> bool:
    return any(IPv4Address(first) <= IPv4Address(ip) <= IPv4Address(last) for first, last in REFUSED_V4)


@given(st.ip_addresses(v=4))
def test_v4_is_refused_in_the_ranges_and_nowhere_else(ip: IPv4Address) -> None:
    assert is_deliverable(str(ip)) is not in_another_range(str(ip))


@given(st.integers(0, 2**128 - 1).map(IPv6Address).filter(lambda ip: ip.ipv4_mapped is None) | v6_near_an_edge)
def test_v6_is_refused_in_the_ranges_and_nowhere_else(ip: IPv6Address) -> None:
    refused = any(IPv6Address(first) <= ip <= IPv6Address(last) for first, last in REFUSED_V6)

    assert is_deliverable(str(ip)) is not refused


@given(st.ip_addresses(v=4))
def test_a_mapped_address_is_what_it_maps(ip: IPv4Address) -> None:
    assert is_deliverable(f"::ffff:{ip}") is is_deliverable(str(ip))


@pytest.mark.parametrize("ip", SPECIAL_V6)
def test_a_special_v6_address_is_refused(ip: str) -> None:
    assert not is_deliverable(ip)


@pytest.mark.parametrize("ip", ["1.1.1.1", "8.8.8.8", "113.160.0.1", "2606:4700::1111", "2001:200::1", "2400:cb00::1"])
def test_a_public_address_is_allowed(ip: str) -> None:
    assert is_deliverable(ip)


@pytest.mark.parametrize("ip", ["", "localhost", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "1.1.1.1/32", "[::1]"])
def test_what_is_not_a_plain_address_is_refused(ip: str) -> None:
    assert not is_deliverable(ip)
    assert not is_deliverable(ip, allow_loopback=True)


@pytest.mark.parametrize("ip", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_loopback_is_allowed_in_development_only(ip: str) -> None:
    assert is_deliverable(ip, allow_loopback=True)
    assert not is_deliverable(ip)


@pytest.mark.parametrize("ip", ["0.0.0.0", "10.0.0.1", "169.254.169.254", "::", "fe80::1", "::ffff:10.0.0.1"])
def test_development_allows_nothing_but_loopback(ip: str) -> None:
    assert not is_deliverable(ip, allow_loopback=True)


@pytest.mark.parametrize(
    "url",
    [
        "https://partner.example",
        "https://partner.example/hook?x=1",
        "HTTPS://Partner.Example:443/hook",
        "https://partner.example:8443/",
        "https://đối-tác.vn/móc",
        "https://1.1.1.1/",
        "https://[2606:4700::1111]/",
    ],
)
def test_a_sound_url_is_accepted(url: str) -> None:
    check_url(url, production=True)


@pytest.mark.parametrize("url", ["http://localhost:8000/hook", "http://127.0.0.1/hook"])
def test_plain_http_is_for_development(url: str) -> None:
    check_url(url, production=False)

    with pytest.raises(UndeliverableUrlError, match="https"):
        check_url(url, production=True)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "https"),
        ("partner.example/hook", "https"),
        ("//partner.example/hook", "https"),
        ("ftp://partner.example/", "https"),
        ("file:///etc/passwd", "https"),
        ("gopher://partner.example/", "https"),
        ("https://", "host"),
        ("https:///hook", "host"),
        ("https:partner.example", "host"),
        ("https://user@partner.example/", "user"),
        ("https://user:password@partner.example/", "user"),
        ("https://:password@partner.example/", "user"),
        ("https://partner.example@10.0.0.1/", "user"),
        ("https://partner.example%40@10.0.0.1/", "user"),
        ("https://partner.example/#part", "fragment"),
        ("https://partner.example#@10.0.0.1/", "fragment"),
        ("https://partner.example/#", "fragment"),
        ("https://partner.example:0/", "port"),
        ("https://partner.example:22/", "port"),
        ("https://partner.example:25/", "port"),
        ("https://partner.example:65536/", "not a URL"),
        ("https://partner.example:-1/", "not a URL"),
        ("https://partner.example:x/", "not a URL"),
        ("https://[::1", "not a URL"),
        ("https://partner.example\\@10.0.0.1/", "not a URL"),
        ("https://partner.example /", "spaces"),
        ("https://partner.example\r\n/", "spaces"),
        ("https://partner.\texample/", "spaces"),
        ("https://partner.example/\x00", "spaces"),
        ("https://partner\u202e.example/", "spaces"),
    ],
)
def test_an_unsound_url_is_refused_with_its_reason(url: str, reason: str) -> None:
    for production in (True, False):
        with pytest.raises(UndeliverableUrlError, match=reason):
            check_url(url, production=production)


@given(st.text() | st.text().map("https://{}".format))
def test_whatever_the_url_there_is_one_kind_of_error(url: str) -> None:
    try:
        check_url(url, production=True)
    except UndeliverableUrlError as error:
        assert len(url) < 4 or url not in str(error)  # noqa: PT017 - that there may be none is the point
