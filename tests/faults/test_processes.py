"""The processes of a server under load: their database restarts or is full, or they are told to stop, and nothing is lost."""

import json
import os
import socket
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from deploy import gateway
from deploy.gateway import Gateway
from deploy.nginx.site import Limits
from shared.db import conninfo
from tests.faults.conftest import APART
from tests.faults.counting import assert_whole, let_leases_lapse, only_asked_to_wait, settled
from tests.faults.disk import Disk
from tests.faults.load import Load, more
from tests.faults.outage import WAYS, away, begin_again
from tests.faults.partner import Partner, Referring
from tests.faults.street import PATIENCE, Street, until
from tests.harness import free_port
from tests.referral.partners import Partners
from tests.requirements import missing
from tests.shared.faults.world import SOAK, TIMEOUT

RESTARTS = list(WAYS.values()) * (5 if SOAK else 1)
FILLINGS = 5 if SOAK else 1
STOPS = 10 if SOAK else 1
AWAY_SECONDS = 10.0 if SOAK else 0.5
SECONDS = 15.0
WIDE = Limits(rate=2000, burst=2000, client_rate=2000, client_burst=2000)
SIGTERM_ENDS = {0, -15}
pytestmark = pytest.mark.timeout(max(TIMEOUT, 900))


def test_a_database_that_restarts_under_load_loses_nothing_and_callers_are_asked_to_wait(
    street: Street, token: Any, partner: Partner, partners: Partners
) -> None:
    probes: list[tuple[str, int, int]] = []

    with Load(street.url_of("hotline"), token) as load, Referring(street, partners) as referring:
        for way in RESTARTS:
            more(load)
            refused = load.statuses()[503]
            with away(street.server, way):
                until(lambda refused=refused: load.statuses()[503] > refused, "callers are asked to wait")
                probes += [(name, street.probe(name, "livez"), street.probe(name, "readyz")) for name in APART]
                time.sleep(AWAY_SECONDS)
        more(load)
        until(lambda: all(street.is_ready(name) for name in APART), "all are ready again")
    settled(street, load)
    if not SOAK:
        let_leases_lapse(street.server, street.database("referral"), "delivery", "leased_until")
    until(referring.delivered, "every message is delivered")

    assert street.ended() == []
    assert set(probes) == {(name, 200, 503) for name in APART}
    only_asked_to_wait(load)
    assert load.statuses().keys() == {200, 201, 503}
    assert load.statuses("GET")[503] > 0
    assert_whole(street, load)
    assert len(partner.told) == referring.asked


@pytest.mark.only_root
def test_a_database_whose_disk_is_full_refuses_until_there_is_space_and_then_goes_on(
    street: Street, token: Any, disk: Disk | None
) -> None:
    if disk is None:
        missing("a disk cannot be mounted here: run as a root that may mount")

    with Load(street.url_of("hotline"), token) as load:
        for _ in range(FILLINGS):
            more(load)
            disk.fill()
            refused = load.statuses("POST")[503]
            until(lambda refused=refused: load.statuses("POST")[503] > refused + 20, "callers are asked to wait")
            time.sleep(AWAY_SECONDS)
            disk.clear()
            begin_again(street.server)
            more(load)
    settled(street, load)

    assert street.ended() == []
    only_asked_to_wait(load)
    assert_whole(street, load)


def test_a_server_that_vanishes_from_the_network_is_missed_within_half_a_minute(street: Street) -> None:
    url = street.url("hotline")

    with (
        street.runtime("hotline").engine.connect() as pooled,
        psycopg.connect(conninfo(url)) as plain,
    ):
        sockets = [socket.socket(fileno=os.dup(each)) for each in (pooled.connection.fileno(), plain.fileno())]
        limits = [each.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) for each in sockets]
        probes = [each.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) for each in sockets]
        for each in sockets:
            each.close()

    assert limits == [20_000, 20_000]
    assert probes == [10, 10]


def end_under_load(load: Load, name: str, street: Street) -> None:
    """Send SIGTERM in the middle of the work, again and again, and start the process anew."""
    for _ in range(STOPS):
        more(load)
        code, seconds = street.terminate(name)
        assert code in SIGTERM_ENDS, street.log(name)[-2000:]
        assert seconds < SECONDS
        street.start(name)
    more(load)


def test_an_api_process_answers_every_request_that_it_accepted(street: Street, token: Any) -> None:
    with Load(street.url_of("hotline"), token) as load:
        end_under_load(load, "hotline", street)
    settled(street, load)

    assert load.statuses().keys() <= {0, 200, 201}, load.statuses()
    assert_whole(street, load)


def test_a_worker_leaves_no_event_half_done(street: Street, token: Any) -> None:
    with Load(street.url_of("hotline"), token) as load:
        end_under_load(load, "hotline-worker", street)
        end_under_load(load, "intake-worker", street)
    settled(street, load)

    assert load.statuses().keys() == {200, 201}
    assert_whole(street, load)


def test_the_dispatcher_lets_webhooks_in_flight_end_and_records_them(
    street: Street, partner: Partner, partners: Partners
) -> None:
    partner.seconds = 0.5

    with Referring(street, partners) as referring:
        for _ in range(STOPS):
            partner.in_hand.clear()
            assert partner.in_hand.wait(PATIENCE)
            code, seconds = street.terminate("referral-dispatcher")
            assert code == 0
            assert seconds < SECONDS
            assert referring.leased() == 0
            street.start("referral-dispatcher")
    until(referring.delivered, "every message is delivered")

    assert set(partner.told.values()) == {1}
    assert len(partner.told) == referring.asked


def test_the_gateway_lets_requests_in_flight_end(street: Street, token: Any, tmp_path: Path) -> None:
    try:
        gateway.find_nginx()
    except gateway.GatewayError as error:
        missing(str(error))
    address, before = street.url_of("hotline").removeprefix("http://"), answered(street)
    with Gateway(tmp_path / "gateway", free_port(), {"hotline": address}, limits=WIDE) as door:
        with Load(door.url, token, keeping=0) as load:
            for _ in range(STOPS):
                more(load)
                began = time.monotonic()
                door.stop()
                assert time.monotonic() - began < SECONDS
                door.start()
            more(load)
        settled(street, load)

    # nginx resets whom the kernel had let in and it had not yet: nothing was read of such a request.
    assert load.statuses().keys() <= {-1, 0, 200, 201}, load.statuses()
    assert load.done == answered(street) - before
    assert_whole(street, load)


def answered(street: Street) -> int:
    """Count, by the service's own log, what it did for the callers of a load."""
    lines = [json.loads(line) for line in street.log("hotline").splitlines() if line.startswith("{")]
    requests = [line for line in lines if line["event"] == "request" and line["status"] in {200, 201}]
    return sum(line["route"].startswith("/hotline/v1/cases") for line in requests)
