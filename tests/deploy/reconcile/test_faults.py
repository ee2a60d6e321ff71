"""Every invariant sees its fault, names it, and no other line speaks up that has nothing to say."""

import pytest

from deploy.reconcile.counting import INVARIANTS
from tests.deploy.reconcile.conftest import Planted
from tests.deploy.reconcile.faults import FAULTS


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_named_by_its_line(planted: Planted, name: str) -> None:
    fault = FAULTS[name]
    ids = planted.do(fault.service, *fault.statements)

    broken = planted.broken()

    assert ids
    assert set(broken) == set(fault.lines)
    assert set(broken[fault.lines[0]]) == set(ids)


def test_every_invariant_has_a_fault_planted_for_it() -> None:
    planted = {fault.lines[0] for fault in FAULTS.values()}

    assert planted == {invariant.name for invariant in INVARIANTS}
