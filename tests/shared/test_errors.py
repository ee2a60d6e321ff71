"""Every refusal is a problem (RFC 9457) in the caller's language, and tells neither values nor how we are built."""

from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.hotline.app import build
from shared.ids import new_id
from shared.problems import preferred_language
from tests.harness import House
from tests.specimen import CANARY, CASE, client_of, dry_runtime, posted, serving, specimen, specimen_client


def test_an_unknown_address_is_a_404_problem(house: House) -> None:
    answer = house.client("hotline").get(f"/hotline/v1/{CANARY}")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {"type": "urn:baoho:problem:not-found", "title": "Không tìm thấy.", "status": 404}


def test_an_invisible_row_answers_as_one_that_does_not_exist(house: House, token: Any) -> None:
    case = posted(house, token)
    client, elsewhere = house.client("hotline"), token("mission_officer", country="KR")

    invisible = client.get(f"/hotline/v1/cases/{case['id']}", headers=elsewhere)
    missing = client.get(f"/hotline/v1/cases/{new_id()}", headers=elsewhere)

    assert invisible.status_code == missing.status_code == 404
    assert invisible.json() == missing.json()


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/hotline/v1/cases", {"GET", "POST"}),
        ("PUT", "/hotline/v1/cases/{id}", {"GET"}),
        ("GET", "/hotline/v1/cases/{id}/triage", {"POST"}),
    ],
)
def test_a_method_an_address_does_not_take_answers_405_with_those_it_takes(
    method: str, path: str, allowed: set[str]
) -> None:
    answer = client_of(build(dry_runtime())).request(method, path.format(id=new_id()))

    assert answer.status_code == 405
    assert answer.json()["type"] == "urn:baoho:problem:method-not-allowed"
    assert set(answer.headers["allow"].split(", ")) == allowed


def test_a_role_without_the_permission_answers_403_with_the_permission_that_is_missing(
    house: House, token: Any
) -> None:
    answer = house.client("hotline").get("/hotline/v1/cases", headers=token("osso_officer"))

    assert answer.status_code == 403
    assert answer.json()["permission"] == "hotline_case:read"


def test_a_step_the_present_status_does_not_allow_answers_409_with_those_it_allows(house: House, token: Any) -> None:
    case = posted(house, token)

    answer = house.client("hotline").post(
        f"/hotline/v1/cases/{case['id']}/hand-over",
        json={"office": "osso-ha-noi"},
        headers=token("hotline_operator"),
    )

    assert answer.status_code == 409
    assert answer.json()["current"] == "posted"
    assert answer.json()["allowed"] == ["triaged"]


def test_the_same_reference_with_other_content_answers_409(house: House, token: Any) -> None:
    posted(house, token)

    answer = house.client("hotline").post(
        "/hotline/v1/cases", json={**CASE, "narrative": CANARY}, headers=token("mission_officer")
    )

    assert answer.status_code == 409
    assert answer.json()["reason"] == "reference_used"
    assert CANARY not in answer.text


def test_a_change_without_if_match_answers_428(house: House, token: Any) -> None:
    case = posted(house, token)

    answer = specimen_client(house).patch(
        f"/hotline/specimen/cases/{case['id']}", json={"office": "a"}, headers=token("hotline_operator")
    )

    assert answer.status_code == 428
    assert answer.json()["type"] == "urn:baoho:problem:precondition-required"


def change_office(house: House, token: Any, case_id: str, if_match: str) -> Any:
    return specimen_client(house).patch(
        f"/hotline/specimen/cases/{case_id}",
        json={"office": "a"},
        headers={**token("hotline_operator"), "If-Match": if_match},
    )


def test_a_change_with_another_etag_answers_412(house: House, token: Any) -> None:
    case = posted(house, token)

    answers = [change_office(house, token, case["id"], stale) for stale in ('"7"', 'W/"1"', "1", '"11"', '""')]

    assert {answer.status_code for answer in answers} == {412}
    assert answers[0].json()["type"] == "urn:baoho:problem:stale-version"


def test_a_change_with_the_present_etag_goes_through(house: House, token: Any) -> None:
    case = posted(house, token)

    answers = [change_office(house, token, case["id"], match) for match in ('"1"', "*", '"7", "3"')]

    assert [answer.headers["etag"] for answer in answers] == ['"2"', '"3"', '"4"']


def test_a_rejected_field_is_told_with_pointer_code_and_what_was_expected_in_both_languages() -> None:
    client = client_of(specimen(dry_runtime()))
    body = {"number": CANARY, "person": {"sex": CANARY}}

    in_vietnamese = client.post("/hotline/specimen/sheets", json=body)
    in_english = client.post("/hotline/specimen/sheets", json=body, headers={"Accept-Language": "en-GB"})

    assert in_vietnamese.status_code == 422
    assert in_vietnamese.json()["errors"] == [
        {"pointer": "/number", "code": "int_type", "expected": "số nguyên"},
        {"pointer": "/person/sex", "code": "value", "expected": "một mã của danh sách sexes"},
    ]
    assert [error["expected"] for error in in_english.json()["errors"]] == ["an integer", "a code of the list sexes"]
    assert in_vietnamese.headers["content-language"] == "vi"
    assert in_english.headers["content-language"] == "en"
    assert in_vietnamese.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "vi"),
        ("en", "en"),
        ("en-US,en;q=0.9", "en"),
        ("vi-VN,vi;q=0.9,en;q=0.8", "vi"),
        ("en;q=0.4, vi;q=0.5", "vi"),
        ("vi;q=0.4, en;q=0.5", "en"),
        ("vi; q=0.4, en; q=0.5", "en"),
        ("EN", "en"),
        ("en;q=0", "vi"),
        ("fr, ko;q=0.5", "vi"),
        ("en;q=vi, vi", "vi"),
        ("english", "vi"),
        ("en;q=nan", "vi"),
        (",;q=,", "vi"),
    ],
)
def test_the_language_is_english_only_for_who_ranks_it_above_vietnamese(accepted: str, language: str) -> None:
    assert preferred_language(accepted) == language


WEIGHTS = st.integers(0, 1000).map(lambda thousandths: thousandths / 1000)
RANGES = st.lists(st.tuples(st.sampled_from(["en", "en-GB", "vi", "vi-VN", "fr", "*"]), WEIGHTS), max_size=5)


@given(RANGES)
def test_the_language_is_the_one_that_is_ranked_higher(ranges: list[tuple[str, float]]) -> None:
    header = ", ".join(f"{tag};q={weight:.3f}" for tag, weight in ranges)
    ranks = {name: max([weight for tag, weight in ranges if tag[:2] == name], default=0) for name in ("en", "vi")}

    assert preferred_language(header) == ("en" if ranks["en"] > ranks["vi"] else "vi")


@given(st.text(max_size=60) | st.text("enviq=;,.-*0159 ", max_size=60))
def test_whatever_languages_are_asked_for_the_answer_has_one_of_ours(header: str) -> None:
    assert preferred_language(header) in {"en", "vi"}


def test_an_unforeseen_error_bears_the_correlation_id_and_nothing_else_of_use(house: House, token: Any) -> None:
    headers = {**token("hotline_operator"), "X-Correlation-Id": "conversation-7"}

    answer = specimen_client(house).post("/hotline/specimen/broken", headers=headers)

    assert answer.status_code == 500
    assert answer.headers["x-correlation-id"] == "conversation-7"
    assert answer.json() == {
        "type": "urn:baoho:problem:internal-error",
        "title": "Lỗi hệ thống. Yêu cầu chưa được lưu.",
        "status": 500,
    }


def test_a_refusal_that_only_the_framework_knows_is_a_problem_without_its_text() -> None:
    answer = client_of(specimen(dry_runtime())).get("/hotline/specimen/teapot")

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert CANARY not in answer.text


def test_an_answer_that_breaks_in_its_middle_is_torn_off_and_not_made_to_look_whole() -> None:
    with serving(specimen(dry_runtime())) as url, pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{url}/hotline/specimen/torn")
