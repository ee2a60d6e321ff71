"""Says where a webhook may go: which URLs are accepted, and which addresses may be dialled."""

from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from yarl import URL

# `ipaddress.is_global` lets 6to4, multicast and 192.88.99.0/24 through, so the ranges are written out,
# after IANA's registries of special-purpose addresses.
REFUSED_V4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
GLOBAL_V6 = IPv6Network("2000::/3")
REFUSED_V6 = tuple(IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))

LOWEST_UNPRIVILEGED_PORT = 1024


class UndeliverableUrlError(ValueError):
    """The URL can never be a webhook's destination; the message says why and quotes nothing of it."""


def is_deliverable(ip: str, *, allow_loopback: bool = False) -> bool:
    """Whether a webhook may be sent to this numeric address; whatever is not one is refused.

    `allow_loopback` exists for development only.
    """
    try:
        address = ip_address(ip)
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return _is_deliverable_v6(address, allow_loopback=allow_loopback)
        address = address.ipv4_mapped
    if allow_loopback and address.is_loopback:
        return True
    return not any(address in network for network in REFUSED_V4)


def _is_deliverable_v6(address: IPv6Address, *, allow_loopback: bool) -> bool:
    if allow_loopback and address.is_loopback:
        return True
    return address in GLOBAL_V6 and not any(address in network for network in REFUSED_V6)


def check_url(url: str, *, production: bool) -> None:
    """Raise UndeliverableUrlError unless `url` may be a webhook's destination by its form.

    Numbers in disguise (decimal, octal, hexadecimal hosts) and names that point inside pass here: what is checked
    against them is the address dialled. The parser is yarl, the one aiohttp dials with, so that the two cannot differ.
    """
    if not url.isprintable() or " " in url:
        raise UndeliverableUrlError("a webhook URL has no spaces or control characters")
    try:
        parsed = URL(url)
    except ValueError:
        raise UndeliverableUrlError("this is not a URL") from None
    if parsed.scheme != "https" and (production or parsed.scheme != "http"):
        raise UndeliverableUrlError("a webhook URL starts with https://")
    if not parsed.raw_host:
        raise UndeliverableUrlError("a webhook URL names a host")
    if parsed.user is not None or parsed.password is not None:
        raise UndeliverableUrlError("a webhook URL carries no user or password")
    if "#" in url:
        raise UndeliverableUrlError("a webhook URL has no fragment")
    if parsed.port not in (80, 443) and (parsed.port or 0) < LOWEST_UNPRIVILEGED_PORT:
        raise UndeliverableUrlError("a webhook's port is 443, or 1024 or above")
