"""The one address of `make run`: who is answered, and in which words."""

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from deploy.front import Front

client = TestClient(
    Front({"intake": PlainTextResponse("intake")}, "http://127.0.0.1:8000"), base_url="http://127.0.0.1:8000"
)


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "localhost", "[::1]:8000"])
def test_loopback_names_are_answered_to(host: str) -> None:
    assert client.get("/intake/v1/cases", headers={"Host": host}).text == "intake"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "localhost.evil:80"]
)
def test_any_other_name_is_refused(host: str) -> None:
    refused = client.get("/intake/v1/cases", headers={"Host": host})

    assert refused.status_code == 421
    assert refused.headers["content-type"] == "application/problem+json"


def test_an_unknown_service_is_a_problem_in_the_caller_s_language() -> None:
    vietnamese = client.get("/elsewhere")
    english = client.get("/elsewhere", headers={"Accept-Language": "en"})

    assert (vietnamese.status_code, vietnamese.json()["title"]) == (404, "Không tìm thấy.")
    assert english.json()["title"] == "Nothing is found here."


def test_the_home_page_loads_nothing_from_elsewhere() -> None:
    page = client.get("/")

    assert "make token" in page.text
    assert "http://127.0.0.1:8000/intake/v1/cases" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
