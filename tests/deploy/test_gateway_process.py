"""The gateway as a process: its start and end, its logs and files, TLS, and names looked up while it runs."""

import json
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPSConnection
from pathlib import Path

import pytest
import uvicorn

from deploy.gateway import Gateway, GatewayError, Limits, find_nginx
from deploy.nginx.site import KEEP_SECONDS
from tests.deploy.certificate import self_signed
from tests.deploy.gateway_upstreams import (
    Answer,
    Upstream,
    ask,
    free_port,
    is_problem,
    name_server,
    send,
    send_raw,
    upstream,
)
from tests.requirements import require

MEBIBYTE = 1024 * 1024


@pytest.fixture(scope="module", autouse=True)
def nginx() -> str:
    return require("nginx", "install nginx")


@pytest.fixture(scope="module")
def intake() -> Iterator[Upstream]:
    with upstream("intake") as service:
        yield service


@pytest.fixture
def gateway(intake: Upstream, tmp_path: Path) -> Gateway:
    return Gateway(tmp_path / "closed" / "gateway", free_port(), {"intake": intake.address})


def test_the_logs_hold_ids_and_times_but_nothing_that_people_wrote(intake: Upstream, tmp_path: Path) -> None:
    secret = "canary-nguyen"
    headers = {"Authorization": f"Bearer {secret}", "Cookie": secret, "Referer": secret, "User-Agent": secret}
    upstreams = {"intake": intake.address, "hotline": "127.0.0.1:1"}
    paths = (f"/intake/v1/cases?name={secret}", f"/hotline/v1?q={secret}", f"/{secret}", f"/intake/%20{secret}")

    with Gateway(tmp_path, free_port(), upstreams, Limits(rate=1, burst=5)) as narrow:
        for path in paths:
            ask(narrow, path, headers)
        ask(narrow, "/intake/v1/cases", headers, "POST", (secret * MEBIBYTE).encode())
        for _ in range(20):
            ask(narrow, f"/intake/v1/cases?name={secret}", headers)

    lines = [json.loads(line) for line in narrow.access_log.read_text().splitlines()]
    assert {line["status"] for line in lines} == {"200", "404", "413", "429", "502"}
    assert {line["path"] for line in lines} == {"/intake/v1/cases", "/hotline/v1", "-"}
    assert {line["method"] for line in lines} == {"GET", "POST"}
    assert {line["network"] for line in lines} == {"127.0.0.0"}
    assert secret not in narrow.access_log.read_text() + narrow.error_log.read_text()


def test_stopping_lets_a_request_in_flight_finish(gateway: Gateway, intake: Upstream) -> None:
    answers: list[Answer] = []
    gateway.start()
    client = threading.Thread(target=lambda: answers.append(ask(gateway, "/intake/v1/slow")))
    client.start()
    while "GET /intake/v1/slow" not in intake.seen:
        threading.Event().wait(0.02)

    gateway.stop()
    client.join()

    assert [answer.status for answer in answers] == [200]
    assert not gateway.running


def test_it_starts_again_on_its_own_state(gateway: Gateway) -> None:
    answers = []

    for _ in range(2):
        with gateway:
            answers.append(ask(gateway, "/intake/v1/cases").status)

    assert answers == [200, 200]


def test_a_taken_port_is_told_in_one_line(gateway: Gateway, tmp_path: Path) -> None:
    second = Gateway(tmp_path / "second", gateway.port, {})

    taken = rf"^nginx did not start: bind\(\) to 127\.0\.0\.1:{gateway.port} failed .*in use\)$"
    with gateway, pytest.raises(GatewayError, match=taken):
        second.start()

    assert not second.running


def test_a_missing_nginx_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(GatewayError, match=r"^nginx is missing: install nginx"):
        find_nginx(str(tmp_path))


def test_its_folder_is_closed_to_others_and_bodies_do_not_lie_there(gateway: Gateway) -> None:
    with gateway:
        posted = ask(gateway, "/intake/v1/cases", method="POST", body=b"x" * MEBIBYTE)
        files = {path.name for path in gateway.state.rglob("*") if path.is_file()}

    assert posted.json()["length"] == MEBIBYTE
    assert gateway.state.stat().st_mode & 0o777 == 0o700
    assert files == {"gateway.conf", "gateway.pid", "access.log", "error.log"}


def test_with_tls_and_a_resolver_as_in_compose(gateway: Gateway, intake: Upstream, tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    names = {"intake.inside": "127.0.0.1"}
    upstreams = {"intake": f"intake.inside:{intake.server_port}"}
    trust = ssl.create_default_context(cafile=certificate[0])

    def ask_tls(path: str) -> Answer:
        return send(HTTPSConnection("localhost", gateway.port, context=trust, timeout=30), "GET", path)

    with name_server(names) as resolver:
        listen = (f"127.0.0.1:{gateway.port} ssl",)
        gateway.site = replace(gateway.site, listen=listen, upstreams=upstreams, resolver=resolver, tls=certificate)
        with gateway:
            found = ask_tls("/intake/a%20b?c")
            names.clear()
            while (gone := ask_tls("/intake/v1")).status == 200:
                threading.Event().wait(0.5)
            plain = send_raw(gateway.port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")

    assert found.json()["path"] == "/intake/a%20b?c"
    assert found.told("x-forwarded-proto") == ["https"]
    assert found.header("Strict-Transport-Security") == "max-age=31536000"
    assert is_problem(gone, 502, "upstream-unavailable")
    assert is_problem(plain, 400, "bad-request")


def owners_of_workers(gateway: Gateway) -> set[int]:
    master = int((gateway.state / "gateway.pid").read_text())
    children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    return {Path(f"/proc/{child}").stat().st_uid for child in children}


@pytest.mark.only_root
def test_as_root_the_workers_run_as_someone_else(gateway: Gateway) -> None:
    with gateway:
        deadline = time.monotonic() + 10
        while 0 in (owners := owners_of_workers(gateway)) and time.monotonic() < deadline:
            time.sleep(0.02)  # A worker begins as root and gives that up before it serves anyone.

    assert owners
    assert 0 not in owners


def test_an_idle_connection_is_let_go_before_uvicorn_closes_it() -> None:
    assert uvicorn.Config("app").timeout_keep_alive > KEEP_SECONDS
