"""What the gateway bears from one client, one address, and who holds it up on purpose; on the real nginx."""

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from http.client import HTTPSConnection
from pathlib import Path

import pytest

from deploy.gateway import Gateway, Limits
from tests.deploy.certificate import self_signed
from tests.deploy.gateway_upstreams import Answer, Upstream, ask, free_port, is_problem, send, upstream
from tests.requirements import require

PATIENCE = 30.0


@pytest.fixture(scope="module", autouse=True)
def nginx() -> str:
    return require("nginx", "install nginx")


@pytest.fixture(scope="module")
def intake() -> Iterator[Upstream]:
    with upstream("intake") as running:
        yield running


def bearer(signature: str) -> dict[str, str]:
    return {"Authorization": f"Bearer eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.{signature * 43}", "Accept-Language": "en"}


def refused(answers: list[Answer]) -> int:
    turned_away = [answer for answer in answers if answer.status != 200]
    assert all(is_problem(answer, 429, "too-many-requests") for answer in turned_away)
    assert all(answer.header("Retry-After") == "1" for answer in turned_away)
    return len(turned_away)


def test_one_client_that_asks_too_much_holds_up_no_other_behind_the_same_address(
    intake: Upstream, tmp_path: Path
) -> None:
    with Gateway(tmp_path, free_port(), {"intake": intake.address}, Limits(client_rate=1, client_burst=4)) as gateway:
        greedy = [ask(gateway, "/intake/v1/cases", bearer("a")) for _ in range(25)]
        modest = [ask(gateway, "/intake/v1/cases", bearer("b")) for _ in range(4)]
        nobody = [ask(gateway, "/intake/v1/cases") for _ in range(25)]

    assert 15 < refused(greedy) < 25
    assert refused(modest) == 0
    assert refused(nobody) == 0


def test_a_token_written_otherwise_is_the_same_client(intake: Upstream, tmp_path: Path) -> None:
    odd = [{**bearer("a"), "Authorization": bearer("a")["Authorization"].replace("Bearer ", way)} for way in SPELLINGS]
    with Gateway(tmp_path, free_port(), {"intake": intake.address}, Limits(client_rate=1, client_burst=2)) as gateway:
        answers = [ask(gateway, "/intake/v1/cases", headers) for headers in odd * 4]

    assert refused(answers) > 4


SPELLINGS = ("Bearer ", "bearer ", "BEARER  ")


def test_who_drips_headers_is_let_go_and_holds_nobody_up(intake: Upstream, tmp_path: Path) -> None:
    with Gateway(tmp_path, free_port(), {"intake": intake.address}, Limits(hurry=2)) as gateway, ExitStack() as stack:
        slow = [stack.enter_context(drip(gateway.port, b"GET /intake/v1 HTTP/1.1\r\nX-Slow: a")) for _ in range(400)]

        meanwhile = ask(gateway, "/intake/v1/cases")
        for connection in slow:
            keep_dripping(connection)
        ends = [end_of(connection) for connection in slow]

    assert meanwhile.status == 200
    assert ends.count(b"") == len(slow)


def test_who_drips_bodies_takes_no_more_places_than_one_address_may_have(intake: Upstream, tmp_path: Path) -> None:
    begun = (
        b"POST /intake/v1/cases HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
    )
    with Gateway(tmp_path, free_port(), {"intake": intake.address}, Limits(busy=20)) as gateway, ExitStack() as stack:
        slow = [stack.enter_context(drip(gateway.port, begun)) for _ in range(20)]
        deadline = time.monotonic() + PATIENCE
        while (answer := ask(gateway, "/intake/v1/cases")).status == 200 and time.monotonic() < deadline:
            time.sleep(0.05)
        reached = intake.seen.count("POST /intake/v1/cases")
        for connection in slow:
            connection.close()
        while (after := ask(gateway, "/intake/v1/cases")).status != 200 and time.monotonic() < deadline:
            time.sleep(0.05)

    assert is_problem(answer, 429, "too-many-requests")
    assert reached == 0
    assert after.status == 200


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_protocols_and_weak_ciphers_are_refused_and_new_ones_spoken(intake: Upstream, tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    gateway = Gateway(tmp_path / "gateway", free_port(), {"intake": intake.address})
    gateway.site = replace(gateway.site, listen=(f"127.0.0.1:{gateway.port} ssl",), tls=certificate)
    with gateway:
        spoken = {
            version: handshake(gateway.port, certificate[0], version) for version in ssl.TLSVersion if version > 0
        }
        weak = handshake(gateway.port, certificate[0], ssl.TLSVersion.TLSv1_2, "AES128-SHA:ECDHE-RSA-AES128-SHA256")
        trust = ssl.create_default_context(cafile=certificate[0])
        answer = send(HTTPSConnection("localhost", gateway.port, context=trust, timeout=30), "GET", "/intake/v1")

    assert {version for version, worked in spoken.items() if worked} == {ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3}
    assert not weak
    assert answer.header("Strict-Transport-Security") == "max-age=31536000"


def test_an_answer_may_load_and_be_framed_by_nothing_and_the_api_page_brings_all_itself(
    intake: Upstream, tmp_path: Path
) -> None:
    with Gateway(tmp_path, free_port(), {"intake": intake.address}) as gateway:
        data, page, missing = (ask(gateway, path) for path in ("/intake/v1/cases", "/intake/docs", "/nowhere"))

    assert data.header("Content-Security-Policy") == "default-src 'none'; frame-ancestors 'none'"
    assert missing.header("Content-Security-Policy") == data.header("Content-Security-Policy")
    assert str(page.header("Content-Security-Policy")).startswith("default-src 'self';")


def drip(port: int, begun: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    connection.sendall(begun)
    return connection


def keep_dripping(connection: socket.socket) -> None:
    """Send one byte more; the other side may have let go already."""
    try:
        connection.sendall(b"a")
    except OSError:
        return


def end_of(connection: socket.socket) -> bytes:
    """Return what comes until the other side lets go: nothing, where it answers no half request."""
    try:
        return connection.recv(1000)
    except ConnectionResetError:
        return b""


def handshake(port: int, trusted: str, version: ssl.TLSVersion, ciphers: str = "ALL:@SECLEVEL=0") -> bool:
    """Say whether a client that knows this version alone is spoken to."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(trusted)
    context.set_ciphers(ciphers)
    try:
        context.minimum_version = context.maximum_version = version
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as plain:
            context.wrap_socket(plain, server_hostname="localhost").close()
    except (ssl.SSLError, OSError, ValueError):
        return False
    return True
