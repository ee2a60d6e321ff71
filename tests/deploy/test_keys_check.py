"""`make keys-check` tells what may be removed and what is missing, with its exit code, and never a key."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deploy import keys_check
from deploy.key_ring import RingError, add, change, promote, remove
from deploy.state import SECRETS, StateError, new_key, secrets_of, write_secrets
from tests.harness import House
from tests.keyring import KeyRing
from tests.registry.arranged import Registry

SERVICES = ("intake", "hotline", "referral", "registry")


@pytest.fixture
def ring(house: House) -> KeyRing:
    for service in SERVICES:
        house.runtime(service)
    return KeyRing(house)


def found(house: House) -> Any:
    return keys_check.checked({service: house.runtime(service) for service in SERVICES})


def test_a_link_key_may_be_removed_only_where_no_service_needs_it(house: House, token: Any, ring: KeyRing) -> None:
    Registry(house, token).worker()
    for service in ("intake", "hotline", "registry"):
        ring.turn(service, "link", "k2", "k1")

    before = keys_check.spare(found(house))
    ring.round("registry")
    after = keys_check.spare(found(house))

    assert "k1 of LINK_KEYS" not in before
    assert "k1 of LINK_KEYS" in after


def test_what_is_told_names_every_ring_and_shows_no_key(house: House, ring: KeyRing) -> None:
    ring.turn("intake", "service", "k2", "k1")

    told = "\n".join(keys_check.told(found(house)))

    assert {line.split()[0] for line in told.splitlines() if "_KEYS" in line.split()[0]} == {
        "LINK_KEYS",
        *(f"{service.upper()}_SERVICE_KEYS" for service in SERVICES),
        *(f"{service.upper()}_SEARCH_KEYS" for service in SERVICES if service != "referral"),
    }
    assert "may be removed: k1 of INTAKE_SERVICE_KEYS" in told
    for service in SERVICES:
        for kind in ("service", "search", "link"):
            for key in house.runtime(service).vault.ring(kind).values():
                assert key.hex() not in told


@pytest.mark.parametrize("lost", [False, True])
def test_the_command_ends_with_1_when_something_stored_needs_a_key_that_is_not_there(
    house: House, token: Any, *, lost: bool
) -> None:
    Registry(house, token).worker()
    environment = dict(os.environ)
    for service in SERVICES:
        environment |= environment_of(house, service)
    if lost:
        environment["REGISTRY_SERVICE_KEYS"] = f"k2:{new_key()}"

    done = subprocess.run(
        [sys.executable, "-m", "deploy.keys_check"], env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == int(lost), done.stderr
    assert ("MISSING" in done.stdout) is lost
    assert "Traceback" not in done.stderr
    assert environment["REGISTRY_SERVICE_KEYS"].partition(":")[2] not in done.stdout + done.stderr


def environment_of(house: House, service: str) -> dict[str, str]:
    """Return the environment in which a command opens a service as this house has it."""
    runtime = house.runtime(service)
    settings = runtime.settings
    values = {"ENV": "development", "PUBLIC_URL": settings.public_url, "OIDC_ISSUER": settings.oidc_issuer}
    values |= {"OIDC_JWKS_URL": settings.oidc_jwks_url, "OIDC_TOKEN_URL": settings.oidc_token_url}
    for name in ("database_url", "client_secret", "service_keys", "search_keys"):
        if hasattr(settings, name):
            values[f"{service.upper()}_{name.upper()}"] = getattr(settings, name).get_secret_value()
    if hasattr(settings, "link_keys"):
        values["LINK_KEYS"] = settings.link_keys.get_secret_value()
    return values


def test_a_ring_is_turned_step_by_step() -> None:
    ring = f"k1:{new_key()}"

    added = add(ring)
    promoted = promote(added)

    assert [key.partition(":")[0] for key in added.split(",")] == ["k1", "k2"]
    assert promoted.split(",") == added.split(",")[::-1]
    assert remove(promoted, "k1").split(",") == promoted.split(",")[:1]
    assert add(remove(promoted, "k1")).rpartition(",")[2].startswith("k3:")


@pytest.mark.parametrize("key_id", ["k2", "k9", ""])
def test_the_current_key_and_one_that_is_not_there_cannot_be_removed(key_id: str) -> None:
    with pytest.raises(RingError):
        remove(f"k2:{new_key()},k1:{new_key()}", key_id)


def test_a_step_is_kept_in_the_secrets_of_the_house_for_their_owner_alone(tmp_path: Path) -> None:
    secrets_of(tmp_path)

    ids = [change(tmp_path, step, "LINK_KEYS", None) for step in ("add", "promote")]

    assert ids == [["k1", "k2"], ["k2", "k1"]]
    assert secrets_of(tmp_path)["LINK_KEYS"].startswith("k2:")
    assert (tmp_path / SECRETS).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["INTAKE_DATABASE_URL", "INTAKE_AUDIT_KEYS"])
def test_what_is_no_ring_of_these_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RingError, match="LINK_KEYS"):
        change(tmp_path, "add", name, None)


def test_search_keys_kept_before_they_had_ids_are_carried_over(tmp_path: Path) -> None:
    old = {"LINK_KEYS": f"k1:{new_key()}", "INTAKE_SEARCH_KEY": new_key(), "REGISTRY_SEARCH_KEY": new_key()}
    write_secrets(tmp_path, old)

    carried = secrets_of(tmp_path)

    assert carried == secrets_of(tmp_path)
    assert carried["LINK_KEYS"] == old["LINK_KEYS"]
    assert carried["INTAKE_SEARCH_KEYS"] == f"k1:{old['INTAKE_SEARCH_KEY']}"
    assert carried["REGISTRY_SEARCH_KEYS"] == f"k1:{old['REGISTRY_SEARCH_KEY']}"
    assert not carried.keys() & {"INTAKE_SEARCH_KEY", "REGISTRY_SEARCH_KEY"}


def test_broken_secrets_are_never_replaced(tmp_path: Path) -> None:
    (tmp_path / SECRETS).write_text("{")

    with pytest.raises(StateError):
        secrets_of(tmp_path)
