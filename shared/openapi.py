"""What openapi.json says of every operation alike: its key and its condition, its problems, the headers of its answers."""

from collections import defaultdict
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from shared import openapi_links
from shared.auth import CONDITIONAL, STORES_NOTHING
from shared.errors import DomainError
from shared.problems import Problem

Document = dict[str, Any]

SCHEMAS = "#/components/schemas/{model}"
PLACEHOLDER: Any = {"4XX": {"description": "Described by `completed`."}}
"""Keeps FastAPI from describing a 422 of its own, which we never send."""
PARAMETERS: Document = {
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "required": True,
        "description": "A new one for each act, the same one when an act is tried again: it then happens once.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,128}$"},
    },
    "IfMatch": {
        "name": "If-Match",
        "in": "header",
        "required": True,
        "description": "The ETag last read, or `*`: what somebody else changed since is not overwritten (RFC 9110, 13.1.1).",
        "schema": {"type": "string"},
    },
}
PARAMETERS["IfMatchIfSent"] = {**PARAMETERS["IfMatch"], "required": False}
HEADERS: Document = {
    "ETag": {
        "description": "The version of the record that was read or changed, for `If-Match`.",
        "required": True,
        "schema": {"type": "string", "pattern": '^"[0-9]+"$'},
    },
    "Location": {"description": "Where the new record is read.", "schema": {"type": "string"}},
    "IdempotentReplayed": {
        "description": "Sent where this answer was given before, to the same `Idempotency-Key`.",
        "schema": {"const": "true"},
    },
    "CorrelationId": {
        "description": "Names this request in our logs and audit.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9-]{1,64}$"},
    },
    "RetryAfter": {
        "description": "Seconds after which the same request may succeed.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "WWWAuthenticate": {"description": "What kind of token is wanted.", "schema": {"const": "Bearer"}},
    "ContentLanguage": {"description": "The language of `title` and `expected`.", "schema": {"enum": ["vi", "en"]}},
}
ALWAYS = frozenset({422, 429, 500, 503})
GUARDED = frozenset({401, 403, 404, 410})
CHANGING = frozenset({409, 413})
LATER = {"Retry-After": "RetryAfter"}
SENT_BACK = {401: {"WWW-Authenticate": "WWWAuthenticate"}, 409: LATER, 429: LATER, 503: LATER}


def completed(document: Document) -> Document:
    """Add to what FastAPI knows of the routes what the edge does for all of them; the document itself is changed."""
    components = document.setdefault("components", {})
    problem = Problem.model_json_schema(ref_template=SCHEMAS)
    components.setdefault("schemas", {}).update({**problem.pop("$defs"), "Problem": problem})
    components |= {"parameters": PARAMETERS, "headers": HEADERS, "responses": dict(_problem_responses())}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            _complete(operation, method.upper(), "{" in path, document)
    openapi_links.link(document)
    return document


def _complete(operation: Document, method: str, on_a_row: bool, document: Document) -> None:
    stores = method == "POST" and not operation.keys() & STORES_NOTHING.keys()
    changes = method in CONDITIONAL or stores
    asked = [("IdempotencyKey", stores), ("IfMatch", method in CONDITIONAL), ("IfMatchIfSent", stores and on_a_row)]
    named = [_reference("parameters", name) for name, wanted in asked if wanted]
    if named:
        operation["parameters"] = [*operation.get("parameters", []), *named]
    statuses = {
        *ALWAYS,
        *(GUARDED if "security" in operation else ()),
        *(CHANGING if changes or "requestBody" in operation else ()),
        *((400,) if stores else ()),
        *((412,) if changes and on_a_row else ()),
        *((428,) if method in CONDITIONAL else ()),
    }
    done = {status: response for status, response in operation["responses"].items() if status.startswith("2")}
    for status, response in done.items():
        response["headers"] = dict(_headers_of(response, document, stores=stores, made=status == "201"))
    operation["responses"] = {
        **done,
        **{str(status): _reference("responses", _name(status)) for status in sorted(statuses)},
    }


def _headers_of(response: Document, document: Document, *, stores: bool, made: bool) -> Iterator[tuple[str, Document]]:
    yield "X-Correlation-Id", _reference("headers", "CorrelationId")
    if "version" in openapi_links.fields_of(response, document):
        yield "ETag", _reference("headers", "ETag")
    if made:
        yield "Location", _reference("headers", "Location")
    if stores:
        yield "Idempotent-Replayed", _reference("headers", "IdempotentReplayed")


def _problem_responses() -> Iterator[tuple[str, Document]]:
    """Describe each status that a problem may have by the sentences of its problems."""
    for status, sentences in _sentences().items():
        headers = {
            "X-Correlation-Id": "CorrelationId",
            "Content-Language": "ContentLanguage",
            **SENT_BACK.get(status, {}),
        }
        yield (
            _name(status),
            {
                "description": " ".join(sentences),
                "headers": {name: _reference("headers", header) for name, header in headers.items()},
                "content": {"application/problem+json": {"schema": _reference("schemas", "Problem")}},
            },
        )


def _sentences() -> dict[int, list[str]]:
    """Return what problems say in English, by status."""
    said: defaultdict[int, list[str]] = defaultdict(list)
    for kind in DomainError.__subclasses__():
        said[kind.status].append(kind.sentence.en)
    said[HTTPStatus.TOO_MANY_REQUESTS].append("Too many requests; the gateway says so.")
    return said


def _name(status: int) -> str:
    return f"Problem{status}"


def _reference(kind: str, name: str) -> Document:
    return {"$ref": f"#/components/{kind}/{name}"}
