"""Every operation × whatever may be sent × whoever may send it: each answer is one that the description foretells."""

from typing import Any

import pytest

from deploy.postgres import SERVICES
from tests.fuzz.aiming import callers, operations, places

pytestmark = pytest.mark.soak
OPERATIONS = [
    pytest.param(service, operation, id=operation.replace("/", "|"))
    for service in SERVICES
    for operation in operations(service)
]


@pytest.mark.parametrize(("service", "operation"), OPERATIONS)
def test_no_request_breaks_an_operation_or_gets_an_answer_that_is_not_described(
    fuzz: Any, service: str, operation: str
) -> None:
    fuzz(service).send_everything(operation)


@pytest.mark.parametrize(("service", "operation"), OPERATIONS)
def test_each_role_gets_an_answer_that_is_described(fuzz: Any, service: str, operation: str) -> None:
    described = fuzz(service).operation(operation)

    for caller in callers():
        call = fuzz(service).aim_of(operation)
        given = {"body": call.body} if call.body is not None else {}
        case = described.Case(path_parameters=places(described.path, call.path), **given)
        fuzz(service).check(case, caller)
