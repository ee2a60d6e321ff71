"""What a process takes into memory at its start: nothing that it has no use for."""

import subprocess
import sys

import pytest

from deploy.topology import SERVICES

BACKGROUND = [f"services.{service.name}.worker" for service in SERVICES] + ["services.referral.dispatcher.__main__"]


def loaded(module: str) -> set[str]:
    """Return the modules that a fresh interpreter holds once it has loaded one."""
    asked = f"import sys, {module}; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize("module", BACKGROUND)
def test_a_background_process_loads_no_routes_and_nothing_that_migrates(module: str) -> None:
    service = module.split(".")[1]

    modules = loaded(module)

    assert module in modules
    assert modules & {"alembic", "shared.app", f"services.{service}.app", f"services.{service}.routes"} == set()


@pytest.mark.parametrize("service", [service.name for service in SERVICES])
def test_an_api_process_loads_no_broker_and_nothing_that_migrates(service: str) -> None:
    modules = loaded(f"services.{service}.app")

    assert f"services.{service}.routes" in modules
    assert modules & {"alembic", "aiokafka", f"services.{service}.worker"} == set()
