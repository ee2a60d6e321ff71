"""The heads of a chain: told with the seals, not too often, and kept by every other service."""

from typing import Any

import pytest

from shared.chain.sealer import Sealer
from shared.clock import now
from shared.contracts import KNOWN
from shared.contracts.audit import sealed_event
from shared.contracts.hotline import HotlineAuditSealed
from shared.tables import audit_head, inbox, outbox
from tests.harness import House
from tests.shared.chain.trail import noted, seal_all, seals, tamper

OTHERS = ("intake", "referral", "registry")
SERVICES = ("hotline", *OTHERS)


def heads(house: House, service: str) -> list[tuple[Any, ...]]:
    return [(row["service"], row["n"], row["mac"]) for row in house.rows(service, audit_head)]


def head(n: int, mac: bytes) -> HotlineAuditSealed:
    return HotlineAuditSealed(n=n, mac=mac.hex(), sealed_at=now())


def test_the_head_of_the_chain_is_told_with_its_seals(house: House) -> None:
    hotline = house.runtime("hotline")
    noted(hotline, 3)

    Sealer(hotline, KNOWN).seal()

    (told,) = house.published("hotline", HotlineAuditSealed)
    assert (told.n, told.mac) == (3, seals(hotline)[-1]["mac"].hex())


def test_a_head_that_moves_is_told_again_only_after_a_while(house: House) -> None:
    hotline = house.runtime("hotline")
    sealer = Sealer(hotline, KNOWN, head_seconds=3600)
    patient = Sealer(hotline, KNOWN, head_seconds=0)

    for _ in range(3):
        noted(hotline)
        sealer.seal()
    within = [told.n for told in house.published("hotline")]
    for _ in range(3):
        noted(hotline)
        patient.seal()
        patient.seal()

    assert within == [1]
    assert [told.n for told in house.published("hotline")] == [1, 4, 5, 6]


def test_what_is_not_sealed_after_all_is_not_told(house: House) -> None:
    hotline = house.runtime("hotline")
    noted(hotline)
    tamper(house, "REVOKE INSERT ON outbox FROM hotline_app")
    sealer = Sealer(hotline, KNOWN)

    with pytest.raises(Exception, match="permission denied"):
        sealer.seal()
    unsealed = seals(hotline)
    tamper(house, "GRANT INSERT ON outbox TO hotline_app")
    sealer.seal()

    assert unsealed == []
    assert [told.n for told in house.published("hotline")] == [1]


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_promises_to_tell_its_heads(service: str) -> None:
    event = sealed_event(service, KNOWN)

    assert event is not None
    assert event.producer() == service


def test_a_service_that_promised_no_such_event_seals_all_the_same(house: House) -> None:
    hotline = house.runtime("hotline")
    noted(hotline)

    Sealer(hotline, {}).seal()

    assert len(seals(hotline)) == 1
    assert house.rows("hotline", outbox) == []


def test_every_other_service_keeps_the_head(house: House) -> None:
    for service in SERVICES:
        noted(house.runtime(service), 2)
        seal_all(house.runtime(service))

    house.carry(*SERVICES)

    macs = {service: bytes(seals(house.runtime(service))[-1]["mac"]) for service in SERVICES}
    for witness in SERVICES:
        expected = [(service, 2, mac) for service, mac in macs.items() if service != witness]
        assert sorted(heads(house, witness)) == sorted(expected)


def test_a_head_that_is_told_again_is_kept_once_and_one_that_contradicts_it_is_kept_beside_it(house: House) -> None:
    for mac in (b"\1" * 32, b"\1" * 32, b"\2" * 32):
        house.handle("intake", head(7, mac))

    assert heads(house, "intake") == [("hotline", 7, b"\1" * 32), ("hotline", 7, b"\2" * 32)]
    assert len(house.rows("intake", inbox)) == 3


@pytest.mark.parametrize("mac", ["", "zz" * 32, "ab" * 31, "AB" * 32])
def test_a_mac_that_is_none_is_refused(mac: str) -> None:
    with pytest.raises(ValueError, match="mac"):
        HotlineAuditSealed(n=1, mac=mac, sealed_at=now())
