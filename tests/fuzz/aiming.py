"""A service under fuzz: its real app with real rows, and requests made from its own description, aimed at those rows."""

import os
from collections import Counter
from itertools import zip_longest
from random import Random
from typing import Any

import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.config import SchemathesisConfig
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi.checks import allow_header_conformance, unsupported_method

from shared.ids import new_id
from tests.access.callers import FOREIGN
from tests.access.test_matrix import CALLS
from tests.access.world import Call, World
from tests.access_matrix import MATRIX, PUBLIC, ROLES

SOAK = os.environ.get("SOAK") == "1"
EXAMPLES = 300 if SOAK else 4
"""Random requests to each operation, besides those at the limits of each of its fields."""
LIMITS = 10_000 if SOAK else 16
"""Requests at the limits of its fields that an operation gets at most, evenly chosen."""
FRESH = 10
"""Requests after which the next ones are aimed at a new row: the state of the old one has gone on."""
CONFIG: dict[str, Any] = {
    "generation": {"with-security-parameters": False},  # The callers bring their tokens.
    "checks": {
        # A stale `If-Match`, a person who was erased; a telephone number or a day of the past that JSON Schema cannot tell.
        "positive_data_acceptance": {"expected-statuses": ["2xx", "401", "403", "404", "409", "410", "412", "422"]},
        "negative_data_rejection": {"expected-statuses": ["400", "401", "403", "404", "409", "412", "422", "428"]},
        "missing_required_header": {"expected-statuses": ["400", "401", "403", "404", "422", "428"]},
    },
}

Caller = tuple[str, str]
Request = Case[Any]


def operations(service: str) -> list[str]:
    """Return every operation of a service; that none is missing is what the access matrix is tested for."""
    return [*MATRIX[service], *(operation for operation in PUBLIC if f" /{service}/" in operation)]


def callers() -> list[Caller]:
    """Return everyone who may come: each role with the scope of the rows aimed at and with another, and nobody we know."""
    return [(role, "own") for role in ROLES] + [(role, "foreign") for role in FOREIGN]


class Fuzz:
    """One service, what it says of itself, and who calls it."""

    def __init__(self, world: World, service: str) -> None:
        self.service = service
        self._world = world
        self._aims: dict[str, Call] = {}
        self._asked: Counter[str] = Counter()
        self._still = False
        # In process and not over a socket: so nothing is refused by the server before it reaches our code.
        app = world.house.client(service).app
        config = SchemathesisConfig.from_dict(CONFIG)
        self.schema = schemathesis.openapi.from_asgi(f"/{service}/openapi.json", app, config=config)

    def send_everything(self, label: str) -> None:
        """Send an operation a request at each limit of each field, then random ones, valid and not."""
        operation = self.operation(label)
        for case in self._at_the_limits(label):
            self.send(case)

        @settings(
            max_examples=EXAMPLES,
            derandomize=not SOAK,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy() | operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
        def send(case: Request) -> None:
            self.send(case)

        send()

    def operation(self, label: str) -> Any:
        """Return what the service says of an operation."""
        return self.schema.find_operation_by_label(label)

    def _at_the_limits(self, label: str) -> list[Request]:
        generation = self.schema.config.generation
        cases = self.schema.iter_coverage_cases(
            self.operation(label), generation_modes=list(GenerationMode), generation_config=generation
        )
        every = list(cases)
        return every[:: 1 + len(every) // LIMITS]

    def send(self, case: Request) -> None:
        """Aim a request, and send it as someone who may and as anyone at all."""
        dice = Random(repr(case))  # noqa: S311 - the same request goes the same way when it is tried again
        self.aim(case, dice)
        for caller in {dice.choice(self.allowed(case.operation.label)), dice.choice(callers())}:
            self.check(case, caller)

    def aim(self, case: Request, dice: Random) -> None:
        """Put real ids where the address is valid, and fill the request."""
        if self._is_valid(case, ParameterLocation.PATH):
            case.path_parameters = places(case.operation.path, self.aim_of(case.operation.label).path)
        self.fill(case, dice)

    def fill(self, case: Request, dice: Random, strange: float = 0.4) -> None:
        """Put fresh keys and present versions where headers are valid, and mix the body with one that succeeds.

        `strange` is the share of what is left as it was made up.
        """
        body = self.aim_of(case.operation.label).body
        # Where the query is odd as well the body stays: that it was mended is known to the check only if nothing else is odd.
        mended = not self._is_odd(case, ParameterLocation.QUERY) and dice.random() > strange
        if isinstance(body, dict) and isinstance(case.body, dict) and mended:
            case.body = {**body, **{name: part for name, part in case.body.items() if dice.random() < strange}}
        if self._is_valid(case, ParameterLocation.HEADER):
            real = {"Idempotency-Key": str(new_id()), "If-Match": "*"}
            sent: Any = {
                name: real.get(name, value) if dice.random() > strange / 4 else value
                for name, value in case.headers.items()
            }
            case.headers = sent

    def check(self, case: Request, caller: Caller) -> None:
        """Send a request as this caller; fail unless the answer is one that the description foretells."""
        left_out = [unsupported_method, allow_header_conformance] if self._shares_address(case) else []
        case.call_and_validate(headers=self.headers(caller), excluded_checks=left_out)

    def headers(self, caller: Caller) -> dict[str, str]:
        """Return what this caller sends to say who it is."""
        return self._world.callers.headers(*caller, self.service)

    def allowed(self, label: str) -> list[Caller]:
        """Return who may do this with the row aimed at."""
        row = MATRIX[self.service].get(label, {"anonymous": "✓"})
        return [(role, "own") for role, cell in row.items() if cell.startswith("✓")]

    def aim_of(self, label: str) -> Call:
        """Return a request that would succeed, on a row that is new every few times."""
        self._asked[label] += 1
        if self._asked[label] % FRESH == 1 and label in CALLS and not self._still:
            self._aims[label] = CALLS[label](self._world, "osso_officer")
        return self._aims.get(label, Call(label.split(" ")[1]))

    def stand_still(self) -> None:
        """Make every row to aim at now, and no more of them: what was done meanwhile may stand in the way of a new one."""
        for label in operations(self.service):
            self.aim_of(label)
        self._still = True

    def _shares_address(self, case: Request) -> bool:
        """Say whether the address is also one of an item: `GET /workers/search` asks for a worker with an odd id."""
        asked = case.operation.path
        return any(other != asked and matches(other, asked) for other in self.schema.raw_schema["paths"])

    def _is_valid(self, case: Request, location: ParameterLocation) -> bool:
        part = case.meta.components.get(location) if case.meta else None
        return part is not None and part.mode.is_positive

    def _is_odd(self, case: Request, location: ParameterLocation) -> bool:
        part = case.meta.components.get(location) if case.meta else None
        return part is not None and part.mode.is_negative


def matches(template: str, path: str) -> bool:
    """Say whether an address fits a template."""
    pairs = zip_longest(template.split("/"), path.split("/"), fillvalue="")
    return all(part == asked or (part.startswith("{") and asked) for part, asked in pairs)


def places(template: str, path: str) -> dict[str, str]:
    """Return what stands in an address where its template leaves a place open."""
    pairs = zip(template.split("/"), path.partition("?")[0].split("/"), strict=True)
    return {place[1:-1]: part for place, part in pairs if place.startswith("{")}
