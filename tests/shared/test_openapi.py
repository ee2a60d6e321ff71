"""The description of each service is true of what the edge does for every operation, and leads from one to the next."""

from typing import Any

import pytest
import schemathesis

from deploy.postgres import SERVICES
from shared.errors import DomainError
from shared.openapi import completed
from tests.harness import House


@pytest.fixture(params=SERVICES)
def described(house: House, request: pytest.FixtureRequest) -> Any:
    return house.client(request.param).get(f"/{request.param}/openapi.json").json()


def operations(document: Any) -> list[tuple[str, Any]]:
    return [(method, operation) for path in document["paths"].values() for method, operation in path.items()]


def header_parameters(operation: Any) -> list[str]:
    return [
        parameter["$ref"].rpartition("/")[2] for parameter in operation.get("parameters", []) if "$ref" in parameter
    ]


def resolve(document: Any, reference: str) -> Any:
    part = document
    for name in reference.removeprefix("#/").split("/"):
        part = part[name]
    return part


def references(part: Any) -> set[str]:
    if isinstance(part, list):
        return set().union(*map(references, part))
    if not isinstance(part, dict):
        return set()
    own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
    return own.union(*map(references, part.values()))


def test_it_is_openapi_3_1(described: Any) -> None:
    assert described["openapi"].startswith("3.1")

    schemathesis.openapi.from_dict(described).validate()


def test_every_reference_in_it_leads_somewhere(described: Any) -> None:
    assert all(resolve(described, reference) for reference in references(described))


def test_what_needs_a_key_or_a_condition_says_so(described: Any) -> None:
    for method, operation in operations(described):
        named = header_parameters(operation)

        assert ("IdempotencyKey" in named) == (method == "post" and "x-stores-nothing" not in operation)
        assert ("IfMatch" in named) == (method in {"put", "patch", "delete"})


def test_every_problem_is_described_as_problem_json(described: Any) -> None:
    for _, operation in operations(described):
        problems = {status: answer for status, answer in operation["responses"].items() if status >= "4"}

        assert {"422", "429", "500", "503"} <= problems.keys()
        assert ("401" in problems) == ("security" in operation)
        for answer in problems.values():
            assert list(resolve(described, answer["$ref"])["content"]) == ["application/problem+json"]


def test_every_status_of_our_errors_but_that_of_a_wrong_method_is_told_somewhere() -> None:
    operation = {"operationId": "change", "security": [{}], "responses": {"200": {}}}
    document = completed(
        {"paths": {"/things/{thing_id}": {"patch": operation, "post": {**operation, "operationId": "do"}}}}
    )

    told = {status for _, each in operations(document) for status in each["responses"]}

    assert {str(kind.status) for kind in DomainError.__subclasses__()} - told == {"405"}


def test_every_link_names_an_operation_and_gives_it_every_part_of_its_address(described: Any) -> None:
    places = {
        operation["operationId"]: {f"path.{part[1:-1]}" for part in path.split("/") if part.startswith("{")}
        for path, methods in described["paths"].items()
        for operation in methods.values()
    }
    links = [
        link
        for _, operation in operations(described)
        for answer in operation["responses"].values()
        for link in answer.get("links", {}).values()
    ]

    assert links
    assert all(places[link["operationId"]] <= link["parameters"].keys() for link in links)


def test_a_new_case_leads_to_its_consents_and_its_etag_to_its_change(house: House) -> None:
    paths = house.client("intake").get("/intake/openapi.json").json()["paths"]

    links = {
        link["operationId"]: link["parameters"]
        for link in paths["/intake/v1/cases"]["post"]["responses"]["201"]["links"].values()
    }

    consent = paths["/intake/v1/cases/{case_id}/consents"]["post"]["operationId"]
    change = paths["/intake/v1/cases/{case_id}"]["patch"]["operationId"]
    assert links[consent] == {"path.case_id": "$response.body#/id"}
    assert links[change] == {"path.case_id": "$response.body#/id", "header.If-Match": "$response.header.ETag"}
