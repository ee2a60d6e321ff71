"""What the gateway of Compose lets in of Keycloak, at the door for all and at the administrator's; on the real nginx."""

from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from deploy import topology
from deploy.gateway import Gateway, Limits
from deploy.stack import Stack
from tests.deploy.gateway_upstreams import (
    Answer,
    Upstream,
    ask,
    free_port,
    is_problem,
    send,
    send_raw,
    upstream,
    with_doors_of_compose,
)
from tests.deploy.keycloak_paths import ADMINISTERING, ELSEWHERE, REALM, SIGNING_IN, TOKEN, TRICKS
from tests.requirements import require

WIDE = Limits(rate=5000, burst=5000, sign_in_rate=5000, sign_in_burst=5000)


@pytest.fixture(scope="module", autouse=True)
def nginx() -> str:
    return require("nginx", "install nginx")


@pytest.fixture(scope="module")
def keycloak() -> Iterator[Upstream]:
    with upstream("keycloak") as running:
        yield running


@pytest.fixture(scope="module")
def inner_port() -> int:
    return free_port()


def as_in_compose(state: Path, keycloak: Upstream, inner_port: int, limits: Limits = WIDE) -> Gateway:
    """Return a gateway with the doors and the names of Compose, and one small server behind them all."""
    upstreams = dict.fromkeys(topology.compose_upstreams(), keycloak.address)
    return with_doors_of_compose(Gateway(state, free_port(), upstreams, limits), inner_port)


@pytest.fixture(scope="module")
def gateway(keycloak: Upstream, inner_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with as_in_compose(tmp_path_factory.mktemp("doors"), keycloak, inner_port) as running:
        yield running


@pytest.fixture
def administrator(gateway: Gateway, inner_port: int) -> Callable[[str], Answer]:
    """Send one request to the administrator's door."""
    assert gateway.running
    return lambda path: send(HTTPConnection("127.0.0.1", inner_port, timeout=30), "GET", path)


@pytest.mark.parametrize("path", SIGNING_IN)
def test_what_signing_in_needs_passes_as_it_was_sent(gateway: Gateway, path: str) -> None:
    answer = ask(gateway, path)

    assert (answer.status, answer.json()["path"]) == (200, path)


@pytest.mark.parametrize("path", [*ADMINISTERING, *ELSEWHERE, *TRICKS])
def test_nothing_else_of_keycloak_is_found_from_outside_however_it_is_written(
    gateway: Gateway, keycloak: Upstream, path: str
) -> None:
    before = len(keycloak.seen)

    answer = send_raw(gateway.port, f"GET {path} HTTP/1.1\r\nHost: baoho.example\r\nConnection: close\r\n\r\n".encode())

    assert is_problem(answer, 404, "not-found")
    assert len(keycloak.seen) == before


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PROPFIND"])
def test_no_method_and_no_header_opens_what_is_shut(gateway: Gateway, keycloak: Upstream, method: str) -> None:
    before = len(keycloak.seen)
    lures = {"X-Original-URL": TOKEN, "X-Rewrite-URL": TOKEN, "X-Forwarded-Prefix": REALM, "X-Forwarded-Port": "8444"}

    answer = ask(gateway, "/identity/admin/realms", lures, method)

    assert answer.status == 404
    assert len(keycloak.seen) == before


@pytest.mark.parametrize("path", ["/identity/admin%00", f"{REALM}/account/..%00/../master", f"{REALM}/%"])
def test_a_path_that_is_no_path_is_refused(gateway: Gateway, keycloak: Upstream, path: str) -> None:
    before = len(keycloak.seen)

    answer = ask(gateway, path)

    assert is_problem(answer, 400, "bad-request")
    assert len(keycloak.seen) == before


def test_a_whole_address_in_the_first_line_opens_no_more_than_its_path(gateway: Gateway, keycloak: Upstream) -> None:
    before = len(keycloak.seen)
    request = "GET http://baoho.example{} HTTP/1.1\r\nHost: baoho.example\r\n\r\n"

    shut = send_raw(gateway.port, request.format("/identity/admin/").encode())
    open_ = send_raw(gateway.port, request.format(f"{REALM}/account/").encode())

    assert is_problem(shut, 404, "not-found")
    assert (open_.status, len(keycloak.seen) - before) == (200, 1)


def test_a_path_without_an_end_is_answered_and_not_pondered(gateway: Gateway) -> None:
    endless = f"{REALM}/account" + "/a%20" * 3_000

    passed, shut = ask(gateway, endless), ask(gateway, f"{endless}%2e")

    assert passed.status == 200
    assert is_problem(shut, 404, "not-found")


@pytest.mark.parametrize("path", [*ADMINISTERING, "/identity/resources/x1y2z/admin/keycloak.v2/assets/main.js"])
def test_the_administrator_s_door_lets_in_the_console_and_the_realm_of_administrators(
    administrator: Callable[[str], Answer], path: str
) -> None:
    answer = administrator(path)

    assert (answer.status, answer.json()["path"]) == (200, path)


@pytest.mark.parametrize("path", [f"{REALM}/account/", TOKEN, "/intake/v1/cases", *ELSEWHERE[5:], *TRICKS[:10]])
def test_the_administrator_s_door_leads_nowhere_else(
    administrator: Callable[[str], Answer], keycloak: Upstream, path: str
) -> None:
    before = len(keycloak.seen)

    answer = administrator(path)

    assert is_problem(answer, 404, "not-found")
    assert len(keycloak.seen) == before


def test_the_administrator_s_door_names_only_what_it_leads_to(administrator: Callable[[str], Answer]) -> None:
    front = administrator("/")

    assert front.json()["services"] == {"identity": "/identity/"}


@pytest.mark.parametrize("path", [TOKEN, f"{REALM}/login-actions/authenticate?execution=1"])
def test_who_tries_many_passwords_is_told_to_wait_and_holds_up_no_other_request(
    keycloak: Upstream, tmp_path: Path, path: str
) -> None:
    with as_in_compose(tmp_path, keycloak, free_port(), Limits(sign_in_rate=1, sign_in_burst=4)) as narrow:
        tries = [ask(narrow, path, method="POST", body=b"password=a") for _ in range(25)]
        others = [ask(narrow, other) for other in (f"{REALM}/protocol/openid-connect/certs", "/intake/v1/cases")]

    refused = [answer for answer in tries if answer.status != 200]
    assert 15 < len(refused) < 25
    assert all(is_problem(answer, 429, "too-many-requests") for answer in refused)
    assert {answer.header("Retry-After") for answer in refused} == {"1"}
    assert [answer.status for answer in others] == [200, 200]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/identity/.well-known/openid-configuration", 200),
        ("/identity/.well-known/jwks.json", 200),
        ("/identity/token", 200),
        ("/identity/livez", 200),
        ("/identity/tokens", 404),
        ("/identity/realms/baoho/account/", 404),
        ("/identity/admin/", 404),
        ("/intake/v1/a%2Fb;c//d", 200),
    ],
)
def test_the_stack_s_gateway_lets_in_what_the_development_issuer_has(
    keycloak: Upstream, tmp_path: Path, path: str, status: int
) -> None:
    planned = Stack(tmp_path / "stack").gateway.site
    upstreams = dict.fromkeys(planned.upstreams, keycloak.address)
    with Gateway(tmp_path / "gateway", free_port(), upstreams, passes=planned.passes) as gateway:
        answer = ask(gateway, path)

    assert answer.status == status
