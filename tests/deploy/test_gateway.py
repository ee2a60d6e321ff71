"""What the gateway answers and passes on, on the real nginx with small real servers behind it."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from deploy import topology
from deploy.gateway import Gateway, Limits
from shared.errors import NotFound
from shared.problems import preferred_language
from tests.deploy.gateway_upstreams import PROBLEM, Answer, Upstream, ask, free_port, is_problem, send_raw, upstream
from tests.requirements import require

MEBIBYTE = 1024 * 1024
ENGLISH = {"Accept-Language": "en"}
WIDE = Limits(rate=5000, burst=5000, client_rate=5000, client_burst=5000)


@pytest.fixture(scope="module", autouse=True)
def nginx() -> str:
    return require("nginx", "install nginx")


@pytest.fixture(scope="module")
def services() -> Iterator[dict[str, Upstream]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(upstream(name)) for name in topology.stack_upstreams()}


@pytest.fixture(scope="module")
def addresses(services: dict[str, Upstream]) -> dict[str, str]:
    return {name: service.address for name, service in services.items()}


@pytest.fixture(scope="module")
def gateway(addresses: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("gateway"), free_port(), addresses, WIDE) as running:
        yield running


@pytest.mark.parametrize("name", topology.stack_upstreams())
def test_each_path_reaches_its_service_exactly_as_it_was_sent(gateway: Gateway, name: str) -> None:
    path = f"/{name}/v1/a%20b%2Fc//d;e=1/.hidden/..f?q=x%26y&q=%2e%2e/&r"

    answer = ask(gateway, path)

    assert (answer.json()["service"], answer.json()["path"]) == (name, path)


def test_the_front_page_names_the_services(gateway: Gateway) -> None:
    answer = ask(gateway, "/")

    assert answer.status == 200
    assert answer.json()["services"] == {name: f"/{name}/" for name in topology.stack_upstreams()}


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/intake",
        "/intakes/v1",
        "/INTAKE/v1",
        "/_problem/404",
        "/intake/metrics",
        "/intake/metrics?x=1",
        "/intake/metrics/",
        "/intake//metrics",
        "//intake/metrics",
        "/intake/%6d%65trics",
        "/intake/metrics%2f",
        "/intake/v1/../metrics",
        "/intake/metrics/../v1/cases",
        "/intake/metrics/%2E%2e/v1/cases",
        "/hotline/../intake/v1",
        "/intake/./v1",
        "/identity/metrics",
    ],
)
def test_what_is_nobodys_or_hidden_is_not_found_and_reaches_no_service(
    gateway: Gateway, services: dict[str, Upstream], path: str
) -> None:
    before = {name: len(service.seen) for name, service in services.items()}

    answer = ask(gateway, path)

    assert is_problem(answer, 404, "not-found")
    assert {name: len(service.seen) for name, service in services.items()} == before


@pytest.mark.parametrize(
    "languages",
    [
        "",
        "vi",
        "fr",
        "en",
        "EN-gb",
        "en, vi",
        "fr, en;q=0.5",
        "vi;q=0.5, en",
        "vi-VN,vi;q=0.9,en;q=0.8",
        "en-US,en;q=0.9,vi;q=0.8",
        "fr-FR,fr;q=0.9,vi;q=0.8,en;q=0.7",
    ],
)
def test_a_problem_speaks_the_language_that_a_service_would_choose(gateway: Gateway, languages: str) -> None:
    language = preferred_language(languages)

    answer = ask(gateway, "/nowhere", {"Accept-Language": languages} if languages else None)

    assert answer.json()["title"] == NotFound.sentence.in_language(language)
    assert answer.header("Content-Language") == language
    assert answer.header("Cache-Control") == "no-store"


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_one_mebibyte_passes_and_one_byte_more_does_not(gateway: Gateway, chunked: bool) -> None:
    def body(size: int) -> Any:
        return (b"x" * min(8192, size - sent) for sent in range(0, size, 8192)) if chunked else b"x" * size

    largest = ask(gateway, "/intake/v1/cases", method="POST", body=body(MEBIBYTE))
    larger = send_until_refused(gateway, body(MEBIBYTE + 1))

    assert largest.json()["length"] == MEBIBYTE
    assert is_problem(larger, 413, "body-too-large")
    assert larger.json()["title"] == "The body is too large."
    assert not [path for path in gateway.state.glob("*/**/*") if path.is_file()]


def send_until_refused(gateway: Gateway, body: Any) -> Answer:
    return ask(gateway, "/intake/v1/cases", ENGLISH, method="POST", body=body)


@pytest.mark.parametrize(
    ("headers", "title"),
    [
        ({}, "Quá nhiều yêu cầu, hãy thử lại sau giây lát."),
        (ENGLISH, "Too many requests, please try again in a moment."),
    ],
)
def test_too_many_requests_from_one_address_are_told_when_to_come_again(
    addresses: dict[str, str], tmp_path: Path, headers: dict[str, str], title: str
) -> None:
    with Gateway(tmp_path, free_port(), addresses, Limits(rate=1, burst=2)) as narrow:
        answers = [ask(narrow, "/intake/v1/cases", headers) for _ in range(30)]

    refused = [answer for answer in answers if answer.status != 200]
    assert 20 < len(refused) < 30
    assert all(is_problem(answer, 429, "too-many-requests") for answer in refused)
    assert {(answer.header("Retry-After"), answer.json()["title"]) for answer in refused} == {("1", title)}


def test_a_service_that_is_away_is_an_unavailable_upstream(tmp_path: Path) -> None:
    with Gateway(tmp_path, free_port(), {"intake": f"127.0.0.1:{free_port()}"}) as lonely:
        vietnamese, english = ask(lonely, "/intake/v1"), ask(lonely, "/intake/v1", ENGLISH, method="POST", body=b"{}")

    assert is_problem(vietnamese, 502, "upstream-unavailable")
    assert is_problem(english, 502, "upstream-unavailable")
    assert vietnamese.json()["title"].startswith("Dịch vụ")
    assert english.json()["title"].startswith("The service")
    assert english.header("Retry-After") == "5"


def test_a_service_that_does_not_answer_in_time_is_an_unavailable_upstream(
    addresses: dict[str, str], tmp_path: Path
) -> None:
    with Gateway(tmp_path, free_port(), addresses, Limits(patience=1)) as hasty:
        answer = ask(hasty, "/intake/v1/slow")

    assert is_problem(answer, 504, "upstream-unavailable")
    assert answer.header("Retry-After") == "5"


def test_a_post_whose_connection_breaks_is_not_sent_twice(gateway: Gateway, services: dict[str, Upstream]) -> None:
    ask(gateway, "/intake/v1/cases")

    answer = ask(gateway, "/intake/v1/vanish", method="POST", body=b"{}")

    assert is_problem(answer, 502, "upstream-unavailable")
    assert services["intake"].seen.count("POST /intake/v1/vanish") == 1


def test_what_a_service_answers_passes_through_untouched(gateway: Gateway) -> None:
    refused, busy = ask(gateway, "/intake/v1/refuse", method="PUT"), ask(gateway, "/intake/v1/overloaded")

    assert (refused.status, refused.body) == (409, PROBLEM)
    assert refused.header("Content-Type") == "application/problem+json"
    assert refused.header("X-Frame-Options") == "SAMEORIGIN"
    assert refused.header("X-Correlation-Id") == "the-services-own"
    assert refused.header("Location") == "http://intake/intake/v1/cases"
    assert refused.header("X-Request-Id") != "the-services-own"
    assert (busy.status, busy.body, busy.header("Retry-After")) == (503, b"busy", "17")


def test_only_the_gateway_says_where_a_request_comes_from(gateway: Gateway) -> None:
    forged = {
        "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example",
        "X-Real-IP": "203.0.113.9",
        "Forwarded": "for=203.0.113.9",
        "X-Request-Id": "forged",
    }

    answer = ask(gateway, "/intake/v1/cases", forged)

    assert answer.told("x-forwarded-for") == ["127.0.0.1"]
    assert answer.told("x-forwarded-proto") == ["http"]
    assert answer.told("x-forwarded-host") == answer.told("x-real-ip") == answer.told("forwarded") == []
    assert answer.told("x-request-id") == [answer.header("X-Request-Id")] != ["forged"]
    assert answer.told("host") == [f"127.0.0.1:{gateway.port}"]


@pytest.mark.parametrize(
    ("sent", "kept"), [("a-B-9", True), ("x" * 64, True), ("x" * 65, False), ("a b", False), ("é", False)]
)
def test_a_correlation_id_passes_only_when_it_is_well_formed(gateway: Gateway, sent: str, kept: bool) -> None:
    passed, own = (ask(gateway, path, {"X-Correlation-Id": sent}) for path in ("/intake/v1/cases", "/nowhere"))

    assert (passed.told("x-correlation-id") == [sent]) is kept
    assert (own.header("X-Correlation-Id") == sent) is kept
    assert len(passed.told("x-correlation-id")) == 1


@pytest.mark.parametrize("path", ["/", "/nowhere", "/intake/v1/cases"])
def test_every_answer_carries_the_security_headers_and_no_version(gateway: Gateway, path: str) -> None:
    answer = ask(gateway, path)

    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert answer.header("Referrer-Policy") == "no-referrer"
    assert answer.header("X-Frame-Options") == "DENY"
    assert answer.header("Strict-Transport-Security") is None
    assert answer.header("Server") == "nginx"


def test_big_headers_and_odd_requests_neither_pass_for_others_nor_hurt(gateway: Gateway) -> None:
    big = ask(gateway, "/intake/v1/cases", {"Authorization": "Bearer " + "x" * 12_000})
    port, host = gateway.port, b"Host: x\r\n"
    odd = {
        b"GET /intake/v1 HTTP/1.1\r\n" + host + b"X-Big: " + b"x" * 100_000 + b"\r\n\r\n": (431, "header-too-large"),
        b"GET /intake/" + b"x" * 70_000 + b" HTTP/1.1\r\n" + host + b"\r\n": (414, "address-too-long"),
        b"no http at all\r\n\r\n": (400, "bad-request"),
        b"GET /intake/v1 HTTP/1.1\r\n\r\n": (400, "bad-request"),
        b"GET /intake/v1 HTTP/1.1\r\n" + host + b"Content-Length: -1\r\n\r\n": (400, "bad-request"),
        b"POST /intake/v1 HTTP/1.1\r\n" + host + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": (
            400,
            "bad-request",
        ),
        b"TRACE /intake/v1 HTTP/1.1\r\n" + host + b"\r\n": (405, "method-not-allowed"),
        b"POST / HTTP/1.1\r\n" + host + b"Content-Length: 0\r\n\r\n": (405, "method-not-allowed"),
    }

    answers = {data: send_raw(port, data) for data in odd}

    assert len(big.told("authorization")[0]) == 12_007
    assert [data[:40] for data, expected in odd.items() if not is_problem(answers[data], *expected)] == []
    assert ask(gateway, "/intake/v1/cases").status == 200
