"""Every operation × every role × own and foreign: what really happens is what the matrix says, and denials are recorded."""

from typing import Any

import pytest

from tests.access.callers import SCOPED
from tests.access.cases import CASE, HOTLINE_CALLS, INTAKE, Make
from tests.access.letters import LETTERS
from tests.access.registers import REFERRAL, REGISTRY
from tests.access.world import Answer, Call, World
from tests.access_matrix import MATRIX, PUBLIC, ROLES


def read_trail(service: str) -> Make:
    """Return the request for a service's audit trail."""
    return lambda _world, _desk: Call(f"/{service}/v1/audit")


TRAILS = {f"GET /{service}/v1/audit": read_trail(service) for service in MATRIX}
CALLS: dict[str, Make] = {**INTAKE, **HOTLINE_CALLS, **REFERRAL, **REGISTRY, **LETTERS, **TRAILS}
HALVES = ("own", "foreign")
DENIED = {"403", "404"}


def operations(world: World, service: str) -> dict[str, Any]:
    """Return a service's operations from its own description of its API."""
    paths = world.house.client(service).get(f"/{service}/openapi.json").json()["paths"]
    return {f"{method.upper()} {path}": said for path, methods in paths.items() for method, said in methods.items()}


def cells() -> list[Any]:
    """Return every cell of the matrix, half by half."""
    rows = [(service, operation, row) for service, table in MATRIX.items() for operation, row in table.items()]
    return [
        pytest.param(service, operation, (role, whose), expected, id=f"{operation.replace('/', '|')}-{role}-{whose}")
        for service, operation, row in rows
        for role in ROLES
        for whose, expected in zip(HALVES, row[role].split(" / "), strict=False)
    ]


def bounded_cells() -> list[Any]:
    """Return the cells whose object some callers of a role reach and others do not."""
    rows = [(service, operation, row) for service, table in MATRIX.items() for operation, row in table.items()]
    return [
        pytest.param(service, operation, role, id=f"{operation.replace('/', '|')}-{role}")
        for service, operation, row in rows
        for role in SCOPED
        if row[role] in {"✓ / 404", "✓ / 403"}
    ]


def outcome_of(answer: Answer, *, in_list: bool) -> str:
    """Say in the matrix's words what a caller got."""
    if answer.status in {401, 403, 404}:
        return str(answer.status)
    assert 200 <= answer.status < 300, f"neither allowed nor denied: {answer.status} {answer.text}"
    return "404" if in_list and not answer.found else "✓"


def ask(world: World, service: str, operation: str, caller: tuple[str, str], *, fresh: bool) -> tuple[Answer, str]:
    """Make the request; return the answer, and what it means."""
    call = world.call(operation, caller[0], CALLS[operation], fresh=fresh)
    answer = world.ask(service, operation, caller, call)
    return answer, outcome_of(answer, in_list=call.row is not None)


@pytest.mark.parametrize("service", MATRIX)
def test_every_operation_has_its_row_and_every_row_its_operation(world: World, service: str) -> None:
    described = operations(world, service)

    public = {operation for operation, said in described.items() if "x-public" in said}

    assert described.keys() - public == MATRIX[service].keys()
    assert public == {operation for operation in PUBLIC if operation.split(" ")[1].startswith(f"/{service}/")}


def test_every_row_has_a_cell_for_every_role() -> None:
    rows = {operation: row for table in MATRIX.values() for operation, row in table.items()}

    words = {word for row in rows.values() for cell in row.values() for word in cell.split(" / ")}

    assert {operation for operation, row in rows.items() if tuple(row) != ROLES} == set()
    assert words == {"✓", "401", "403", "404"}
    assert rows.keys() == CALLS.keys()


def test_every_operation_is_allowed_to_someone() -> None:
    nobody = [operation for table in MATRIX.values() for operation, row in table.items() if "✓" not in str(row)]

    assert nobody == []


@pytest.mark.parametrize(("service", "operation", "caller", "expected"), cells())
def test_each_caller_gets_what_the_matrix_says_and_each_denial_is_recorded(
    world: World, service: str, operation: str, caller: tuple[str, str], expected: str
) -> None:
    role, _ = caller
    fresh = expected == "✓" and not operation.startswith("GET ")

    answer, got = ask(world, service, operation, caller, fresh=fresh)

    recorded = [(row["actor"], row["roles"], row["row_id"]) for row in world.denials(service, answer.correlation_id)]
    denied = answer.status in {403, 404}
    assert got == expected
    assert recorded == ([(f"{role}:caller", [role], answer.object_id)] if denied else [])


@pytest.mark.parametrize(("service", "operation", "role"), bounded_cells())
def test_a_token_that_names_no_scope_reaches_nothing(world: World, service: str, operation: str, role: str) -> None:
    _, got = ask(world, service, operation, (role, "nobody's"), fresh=False)

    assert got in DENIED


def test_an_officer_sees_her_own_office_alone_and_a_supervisor_every_office_of_the_province(world: World) -> None:
    desk = {"office": "osso-hai-phong", "province": "31"}
    case_id = world.make("intake", "/intake/v1/cases", CASE, "osso_officer", **desk)["id"]
    neighbour = {"office": "osso-hai-duong", "province": "31"}

    statuses = {
        (role, scope["office"]): world.read("intake", f"/intake/v1/cases/{case_id}", role, **scope)
        for role in ("osso_officer", "mrc_counsellor", "osso_supervisor")
        for scope in (desk, neighbour)
    }

    assert statuses == {
        ("osso_officer", "osso-hai-phong"): 200,
        ("osso_officer", "osso-hai-duong"): 404,
        ("mrc_counsellor", "osso-hai-phong"): 200,
        ("mrc_counsellor", "osso-hai-duong"): 404,
        ("osso_supervisor", "osso-hai-phong"): 200,
        ("osso_supervisor", "osso-hai-duong"): 200,
    }


@pytest.mark.parametrize("operation", PUBLIC)
def test_what_is_public_asks_nobody_who_they_are(world: World, operation: str) -> None:
    method, path = operation.split(" ")

    answer = world.house.client(path.split("/")[1]).request(method, path)

    assert answer.status_code == 200
