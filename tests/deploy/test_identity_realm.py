"""The realm file says what the code reads: its roles, claims and services, and lets nobody in beside them."""

import json
import re
from typing import Any

import pytest

from deploy import topology
from deploy.identity.demo import CLAIM_FORMS, IDENTITIES
from deploy.identity.realm import DEMO, DEMO_PASSWORD, REALM_FILE, TARGETS, WEB, demo_realm, production_realm, text_of
from services.hotline import handlers as hotline
from services.intake import handlers as intake
from services.referral import handlers as referral
from services.registry import handlers as registry
from shared.auth import PEOPLE, Principal
from shared.permissions import Role

REALM: dict[str, Any] = json.loads(REALM_FILE.read_text(encoding="utf-8"))
CLIENTS = {client["clientId"]: client for client in REALM["clients"]}
SCOPES = {scope["name"]: scope for scope in REALM["clientScopes"]}
SERVICES = {service.name for service in topology.SERVICES}
PLACE = re.compile(r"\$\{([A-Z_]+)\}")


def mapped(scope: str) -> dict[str, dict[str, str]]:
    """Return the claims that a scope puts into access tokens, each with its mapper's configuration."""
    mappers = SCOPES[scope]["protocolMappers"]
    configured = [mapper["config"] for mapper in mappers]
    return {config["claim.name"]: config for config in configured if "claim.name" in config}


def audiences(scope: str) -> list[str]:
    """Return for whom a scope makes a token."""
    configured = [mapper["config"] for mapper in SCOPES[scope]["protocolMappers"]]
    return [config["included.custom.audience"] for config in configured if "included.custom.audience" in config]


def test_the_file_is_what_the_module_writes() -> None:
    assert REALM_FILE.read_text(encoding="utf-8") == text_of(production_realm()), "run python -m deploy.identity.realm"


def test_the_roles_are_ours_and_no_others() -> None:
    roles = {role["name"] for role in REALM["roles"]["realm"]} - {"default-roles-baoho"}

    assert roles == set(Role)


def test_a_person_s_token_carries_exactly_the_claims_that_are_read_of_it() -> None:
    read = {*Principal.__dataclass_fields__} - {"subject", "permissions", "client"}

    assert set(mapped("person")) == read
    assert audiences("person") == [PEOPLE]
    assert all(config["user.attribute"] == name for name, config in mapped("person").items() if name != "roles")
    assert mapped("person")["roles"]["multivalued"] == "true"


def test_a_service_s_token_carries_its_role_and_its_name_and_the_audience_that_it_asks_for() -> None:
    assert set(mapped("service")) == {"roles", "client"}
    assert {name: audiences(f"audience:{name}") for name in SERVICES} == {name: [name] for name in SERVICES}


def test_what_says_something_in_access_tokens_says_it_in_no_other_token() -> None:
    everywhere = [
        mapper for scope in (*REALM["clientScopes"], *REALM["clients"]) for mapper in scope.get("protocolMappers", [])
    ]

    assert {mapper["config"]["access.token.claim"] for mapper in everywhere} == {"true"}
    assert {mapper["config"]["id.token.claim"] for mapper in everywhere} == {"false"}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_is_a_client_with_a_secret_from_the_environment_and_nothing_else(name: str) -> None:
    client = CLIENTS[name]

    assert client["secret"] == f"${{{name.upper()}_CLIENT_SECRET}}"
    assert client["serviceAccountsEnabled"]
    assert not client["publicClient"]
    assert ways_in(client) == set()
    assert client["defaultClientScopes"] == ["basic", "service"]
    assert client["attributes"]["access.token.lifespan"] == "300"
    assert scope_roles(name) == [Role.SERVICE]
    assert {
        "username": f"service-account-{name}",
        "serviceAccountClientId": name,
        "realmRoles": ["service"],
    }.items() <= (next(user for user in REALM["users"] if user["username"] == f"service-account-{name}").items())


def ways_in(client: dict[str, Any]) -> set[str]:
    """Return by which flows people get tokens from a client."""
    return {name for name in ("standardFlow", "implicitFlow", "directAccessGrants") if client[f"{name}Enabled"]}


def scope_roles(client: str) -> list[str]:
    """Return which roles a client passes on."""
    assert CLIENTS[client]["fullScopeAllowed"] is False
    return [role for mapping in REALM["scopeMappings"] if mapping["client"] == client for role in mapping["roles"]]


def test_a_service_may_have_tokens_for_those_it_fetches_from_and_for_no_others() -> None:
    tables = {"intake": intake, "hotline": hotline, "referral": referral, "registry": registry}
    asked = {name: {model.owner for model in getattr(module, "APPLY", {})} for name, module in tables.items()}

    allowed = {name: {scope.partition(":")[2] for scope in CLIENTS[name]["optionalClientScopes"]} for name in SERVICES}

    assert allowed == asked
    assert {name: set(targets) for name, targets in TARGETS.items()} == {
        n: owners for n, owners in asked.items() if owners
    }


def test_people_sign_in_by_code_with_pkce_at_one_address() -> None:
    web = CLIENTS[WEB]

    assert {name for name, client in CLIENTS.items() if client["enabled"] and client["publicClient"]} == {
        WEB,
        "account",
        "account-console",
    }
    assert ways_in(web) == {"standardFlow"}
    assert web["attributes"]["pkce.code.challenge.method"] == "S256"
    assert web["redirectUris"] == ["${PUBLIC_URL}/"]
    assert set(scope_roles(WEB)) == set(Role) - {Role.SERVICE}
    assert web["optionalClientScopes"] == []


def test_every_client_of_ours_has_its_access_tokens_say_what_they_are() -> None:
    ours = {WEB, *SERVICES}

    assert {CLIENTS[name]["attributes"]["access.token.header.type.rfc9068"] for name in ours} == {"true"}


def test_nobody_is_in_it_and_no_secret() -> None:
    text = REALM_FILE.read_text(encoding="utf-8")

    assert {user["username"] for user in REALM["users"]} == {f"service-account-{name}" for name in SERVICES}
    assert not any("credentials" in user for user in REALM["users"])
    assert DEMO not in text
    assert DEMO_PASSWORD not in text
    assert set(PLACE.findall(text)) == {"PUBLIC_URL", *(f"{name.upper()}_CLIENT_SECRET" for name in SERVICES)}


def test_nobody_registers_alone_guesses_for_long_or_stays_for_ever() -> None:
    said = {
        "sslRequired": "external",
        "registrationAllowed": False,
        "bruteForceProtected": True,
        "revokeRefreshToken": True,
        "refreshTokenMaxReuse": 0,
        "accessTokenLifespan": 600,
        "defaultSignatureAlgorithm": "ES256",
    }

    assert said.items() <= REALM.items()
    assert "length(12)" in REALM["passwordPolicy"]
    assert REALM["eventsListeners"] == []


def test_a_user_cannot_write_what_bounds_her_sight() -> None:
    [component] = REALM["components"]["org.keycloak.userprofile.UserProfileProvider"]
    profile = json.loads(component["config"]["kc.user.profile.config"][0])
    fields = {field["name"]: field for field in profile["attributes"]}
    scope = {name: field for name, field in fields.items() if name in CLAIM_FORMS}

    assert set(scope) == set(mapped("person")) - {"roles"}
    assert {field["permissions"]["edit"][0] for field in scope.values()} == {"admin"}
    assert {len(field["permissions"]["edit"]) for field in scope.values()} == {1}
    assert "unmanagedAttributePolicy" not in profile
    assert {name: field["validations"]["pattern"]["pattern"] for name, field in scope.items()} == {
        name: CLAIM_FORMS[name][0].pattern for name in scope
    }


def test_the_demo_has_a_user_for_each_role_as_the_development_issuer_has() -> None:
    demo = demo_realm()
    people = {user["username"]: user for user in demo["users"] if "credentials" in user}

    assert {name: user["realmRoles"][1:] for name, user in people.items()} == {role: [role] for role in IDENTITIES}
    assert {name: {key: values[0] for key, values in user["attributes"].items()} for name, user in people.items()} == {
        role: dict(claims) for role, claims in IDENTITIES.items()
    }
    assert {user["credentials"][0]["value"] for user in people.values()} == {DEMO_PASSWORD}
