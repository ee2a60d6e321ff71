"""One answer leads to the next request, as the links of the description say: whatever the order, nothing breaks."""

from collections import defaultdict
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

from deploy.postgres import SERVICES
from tests.fuzz.aiming import SOAK, Fuzz, Request

SETTINGS = settings(
    max_examples=200 if SOAK else 4,
    stateful_step_count=30 if SOAK else 10,
    derandomize=not SOAK,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def walk(fuzz: Fuzz) -> dict[str, set[int]]:
    """Follow links from request to request, each sent by someone who may; return what was answered to each operation."""
    answered: defaultdict[str, set[int]] = defaultdict(set)

    class Walk(fuzz.schema.as_state_machine()):  # type: ignore[misc]
        def before_call(self, case: Request) -> None:
            dice = Random(repr(case.body))  # noqa: S311 - the same walk goes the same way again
            fuzz.fill(case, dice, strange=0.1)

        def get_call_kwargs(self, case: Request) -> dict[str, Any]:
            return {"headers": fuzz.headers(fuzz.allowed(case.operation.label)[0])}

        def after_call(self, response: Any, case: Request) -> None:
            answered[case.operation.label].add(response.status_code)
            super().after_call(response, case)

    Walk.run(settings=SETTINGS)
    return answered


@pytest.mark.parametrize("service", SERVICES)
def test_no_walk_along_the_links_breaks_anything(fuzz: Any, service: str) -> None:
    answered = walk(fuzz(service))

    assert [label for label, statuses in answered.items() if "{" in label and min(statuses) < 300]
