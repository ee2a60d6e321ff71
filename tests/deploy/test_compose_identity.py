"""Keycloak in Docker Compose: the address it signs for, the realms it imports, and the door to its administration."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from deploy import topology
from deploy.gateway import compose_site
from deploy.identity.master import ADMIN_URL, MASTER, MASTER_FILE, master_realm
from deploy.identity.realm import REALM, REALM_FILE, production_realm, text_of

HOUSE = Path(__file__).parents[2]
PLACE = re.compile(r"\$\{([A-Z_]+)\}")


@pytest.fixture(scope="module")
def containers() -> dict[str, Any]:
    compose = YAML(typ="safe").load((HOUSE / "docker-compose.yml").read_text(encoding="utf-8"))
    services: dict[str, Any] = compose["services"]
    return services


def test_the_issuer_is_keycloak_behind_the_gateways_path(containers: dict[str, Any]) -> None:
    keycloak, reader = containers["keycloak"]["environment"], containers["intake"]["environment"]
    inside = f"http://keycloak:{topology.KEYCLOAK_PORT}/{topology.IDENTITY}/realms/"

    assert keycloak["KC_HTTP_RELATIVE_PATH"] == f"/{topology.IDENTITY}"
    assert keycloak["KC_HTTP_PORT"] == topology.KEYCLOAK_PORT
    assert reader["OIDC_ISSUER"].startswith(f"{keycloak['KC_HOSTNAME']}/realms/")
    assert reader["OIDC_JWKS_URL"].startswith(inside)
    assert reader["OIDC_TOKEN_URL"].startswith(inside)


def test_keycloak_imports_our_realm_with_the_secrets_that_the_services_have(containers: dict[str, Any]) -> None:
    keycloak = containers["keycloak"]
    places = set(PLACE.findall(REALM_FILE.read_text(encoding="utf-8")))
    secrets = {f"{service.name.upper()}_CLIENT_SECRET": service.name for service in topology.SERVICES}
    imported = [
        f"./{file.relative_to(HOUSE)}:/opt/keycloak/data/import/{realm}-realm.json:ro"
        for realm, file in ((REALM, REALM_FILE), (MASTER, MASTER_FILE))
    ]

    assert keycloak["command"] == ["start", "--import-realm"]
    assert keycloak["volumes"] == imported
    assert keycloak["environment"]["KC_HOSTNAME"] == f"{keycloak['environment']['PUBLIC_URL']}/{topology.IDENTITY}"
    assert places & set(keycloak["environment"]) == {"PUBLIC_URL", *secrets}
    assert {name: keycloak["environment"][name] for name in secrets} == {
        name: containers[service]["environment"][name] for name, service in secrets.items()
    }
    assert containers["intake"]["environment"]["OIDC_ISSUER"].endswith(f"/realms/{REALM}")


def test_keycloak_is_administered_at_the_door_that_this_machine_alone_can_reach(containers: dict[str, Any]) -> None:
    site, keycloak = compose_site(), containers["keycloak"]["environment"]
    master = json.loads(MASTER_FILE.read_text(encoding="utf-8"))

    assert site.inner is not None
    assert site.inner.listen == (f"{topology.GATEWAY_ADMIN_PORT} ssl",)
    assert keycloak["KC_HOSTNAME_ADMIN"] == f"https://localhost:${{ADMIN_PORT:-8444}}/{topology.IDENTITY}"
    assert master["attributes"]["frontendUrl"] == ADMIN_URL == "${KC_HOSTNAME_ADMIN}"


def test_what_passes_of_keycloak_is_of_the_realm_that_is_imported() -> None:
    outside = {path.removeprefix("realms/").split("/")[0] for path in topology.KEYCLOAK_PASSES}
    tried = {path.split("/")[2] for path in topology.KEYCLOAK_SIGN_IN}

    assert outside == {REALM, "resources"}
    assert tried == {REALM, MASTER}


def test_the_realm_of_administrators_is_what_its_module_writes_and_as_well_defended_as_ours() -> None:
    master, ours = json.loads(MASTER_FILE.read_text(encoding="utf-8")), production_realm()
    defences = {name for name in ours if name.startswith(("bruteForce", "failure", "password", "events"))}

    assert MASTER_FILE.read_text(encoding="utf-8") == text_of(master_realm()), "run python -m deploy.identity.master"
    assert master["bruteForceProtected"]
    assert {name: master[name] for name in defences} == {name: ours[name] for name in defences}
