"""Whatever is sent: refused or taken, never a failure of ours, and never repeated."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.validation import BODY_LIMIT, MOST_TOLD, pointer
from tests.harness import Api
from tests.specimen import CANARY, client_of, dry_runtime, serving, specimen

SHEETS = "/hotline/specimen/sheets"
FIELDS = ("text", "number", "amount", "day", "at", "id", "colour", "marks", "person", "narrative")
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)) | st.just("\x00")
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8
)
OBJECTS = st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=4)


@pytest.fixture(scope="module")
def client() -> Api:
    """A client of routes that need no database."""
    return client_of(specimen(dry_runtime()))


def sent(client: Api, body: Any, content_type: str = "application/json") -> Any:
    return client.post(SHEETS, content=body, headers={"Content-Type": content_type})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b'{"amount": NaN}',
        b'{"amount": Infinity}',
        b'{"amount": -Infinity}',
        b'{"amount": "NaN"}',
        b'{"number": 1e999}',
        b'{"number": ' + b"9" * 5000 + b"}",
        b'{"text": "a\\u0000b"}',
        b'{"text": "a\x00b"}',
        b'{"\\u0000": 1}',
        b'{"text": "\\ud800"}',
        b'{"text": "\\udc00\\ud800"}',
        b'{"text": "\xff\xfe"}',
        b'{"text": "\xed\xa0\x80"}',
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"marks":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"unknown": 1}',
        b"{}{}",
        b"{} x",
        '{"text": "x"}'.encode("utf-16"),
    ],
    ids=range(26),
)
def test_a_body_that_is_no_valid_object_answers_422(client: Api, body: bytes) -> None:
    answer = sent(client, body)

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"]


def test_an_escaped_backslash_before_u0000_is_text_and_no_nul(client: Api) -> None:
    assert sent(client, b'{"text": "\\\\u0000"}').status_code == 200
    assert sent(client, b'{"text": "\\\\\\u0000"}').status_code == 422


def test_of_a_repeated_key_the_last_counts(client: Api) -> None:
    assert sent(client, b'{"colour": "red", "colour": "green"}').json() == {"colour": "green"}


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "", "application/x-www-form-urlencoded"])
def test_another_content_type_answers_422_and_names_the_one_to_use(client: Api, content_type: str) -> None:
    answer = sent(client, b'{"text": "x"}', content_type)

    assert answer.status_code == 422
    assert "Content-Type: application/json" in answer.json()["errors"][0]["expected"]


@pytest.mark.parametrize("path", ["/a%00b", "/x?term=a%00b", "/x?te%00rm=a"])
def test_nul_in_a_path_or_query_answers_422(client: Api, path: str) -> None:
    answer = client.get(SHEETS + path)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == "nul"


@pytest.mark.parametrize("path", ["/%ff%fe", "/%ed%a0%80", "/x?term=%ff", "/x?term=%ed%a0%80", "/%2e%2e", "/x?%"])
def test_odd_bytes_in_a_path_or_query_are_no_failure(client: Api, path: str) -> None:
    assert client.get(SHEETS + path).status_code < 500


@pytest.mark.parametrize(
    "body",
    [
        {"text": CANARY * 20},
        {"number": CANARY},
        {"amount": CANARY},
        {"day": CANARY},
        {"at": CANARY},
        {"id": CANARY},
        {"colour": CANARY},
        {"marks": CANARY},
        {"marks": {"a": [CANARY]}},
        {"person": {"name": "x" * 500 + CANARY}},
        {"person": {"phone": CANARY}},
        {"person": {"born_on": CANARY}},
        {"person": {"document": "cccd", "document_number": CANARY}},
        {"person": {"document": CANARY}},
        {"person": [CANARY]},
    ],
)
def test_no_rejected_value_comes_back(client: Api, body: Any) -> None:
    answer = sent(client, json.dumps(body, ensure_ascii=False).encode())

    assert answer.status_code == 422
    assert CANARY not in answer.text
    assert CANARY not in json.dumps(answer.json(), ensure_ascii=False)


def test_an_answer_does_not_outgrow_its_request(client: Api) -> None:
    answer = sent(client, json.dumps({f"unknown{n}": n for n in range(5000)}).encode())

    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == MOST_TOLD


@pytest.mark.parametrize("announced", [str(BODY_LIMIT + 1), "9" * 5000])
def test_a_body_announced_as_too_large_answers_413(client: Api, announced: str) -> None:
    answer = client.post(
        SHEETS, content=b"{}", headers={"Content-Length": announced, "Content-Type": "application/json"}
    )

    assert answer.status_code == 413
    assert answer.json()["type"] == "urn:baoho:problem:body-too-large"


def test_a_body_of_exactly_the_limit_is_read(client: Api) -> None:
    assert sent(client, b" " * (BODY_LIMIT - 2) + b"{}").status_code == 200


def test_a_body_that_streams_past_the_limit_is_cut_off_with_413() -> None:
    given_out = 0

    def chunks() -> Iterator[bytes]:
        nonlocal given_out
        for _ in range(200):
            given_out += 65_536
            yield b" " * 65_536

    with serving(specimen(dry_runtime())) as url:
        answer = httpx.post(url + SHEETS, content=chunks(), headers={"Content-Type": "application/json"}, timeout=30)

    assert answer.status_code == 413
    assert given_out > BODY_LIMIT


@settings(max_examples=150, deadline=None)
@given(body=st.binary(max_size=200) | OBJECTS.map(lambda value: json.dumps(value).encode()))
def test_no_body_whatever_is_a_failure_of_ours(client: Api, body: bytes) -> None:
    answer = sent(client, body)

    assert answer.status_code in {200, 422}, answer.text
    json.loads(answer.content)


@settings(max_examples=60, deadline=None)
@given(name=st.binary(max_size=20), term=st.binary(max_size=60))
def test_no_path_and_no_query_whatever_is_a_failure_of_ours(client: Api, name: bytes, term: bytes) -> None:
    path = "".join(f"%{byte:02x}" for byte in name)
    query = "".join(f"%{byte:02x}" for byte in term)

    answer = client.get(f"{SHEETS}/{path}?term={query}")

    assert answer.status_code in {200, 404, 405, 422}


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ((), ""),
        (("body",), ""),
        (("body", "person", "name"), "/person/name"),
        (("body", "marks", 0), "/marks/0"),
        (("body", "a/b~c"), "/a~1b~0c"),
        (("query", "limit"), "/query/limit"),
    ],
)
def test_a_place_is_told_as_a_json_pointer(location: tuple[str | int, ...], expected: str) -> None:
    assert pointer(location) == expected
