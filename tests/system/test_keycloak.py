"""A stock Keycloak with our realm signs people and services in; what it did not sign for us, or no longer, is refused."""

import json
import time

import httpx
import pytest

from deploy.identity.demo import IDENTITIES
from deploy.identity.keycloak import ADMINISTRATOR
from deploy.identity.master import MASTER
from deploy.identity.realm import DEMO, REALM, WEB, production_realm, text_of
from services.intake.handlers import APPLY
from shared.auth import LEEWAY
from shared.fetch import Fetcher
from shared.ids import new_id
from tests.shared.faults.fetching import served
from tests.system.keycloak_acts import ACTS, POSTED, THERE, verdict
from tests.system.keycloak_tokens import STRANGE, account
from tests.system.keycloak_world import (
    ADMIN_URL,
    ADMINISTRATION,
    PASSWORD,
    PUBLIC_URL,
    Identity,
    TrustingHouse,
    taken,
    tokens,
    until,
)

pytestmark = [pytest.mark.timeout(600)]


@pytest.mark.parametrize("role", IDENTITIES)
def test_a_role_signs_in_does_what_it_may_and_is_refused_what_it_may_not(
    identity: Identity, trusting: TrustingHouse, role: str
) -> None:
    held = identity.sign_in(role)
    (allowed, sent), (forbidden, tried) = ACTS[role]

    done = trusting.ask(allowed, held.access, sent)
    refused = trusting.ask(forbidden, held.access, tried)

    assert (verdict(allowed, role), verdict(forbidden, role)) == ("✓", "403")
    assert done.is_success, done.text
    assert refused.status_code == 403, refused.text
    assert {**IDENTITIES[role], "roles": [role], "aud": "baoho"}.items() <= held.claims.items()


def test_what_a_user_sees_ends_where_her_attributes_say(identity: Identity, trusting: TrustingHouse) -> None:
    abroad = identity.sign_in("mission_officer").access

    foreign = trusting.ask("POST /hotline/v1/cases", abroad, {**THERE, "reference": "TYO-2"})

    assert foreign.status_code == 403


def test_a_person_signs_in_with_a_code_on_the_page_behind_the_gateway(
    identity: Identity, trusting: TrustingHouse
) -> None:
    browser = identity.visit()

    held = browser.sign_in("analyst")

    assert trusting.ask("GET /intake/v1/figures", held.access).status_code == 200
    assert held.claims["exp"] - held.claims["iat"] == 600


def test_the_administrator_signs_in_at_her_own_door_and_nobody_finds_hers_at_the_other(identity: Identity) -> None:
    held = identity.administrators_visit().sign_in(ADMINISTRATOR, ADMINISTRATION["KC_BOOTSTRAP_ADMIN_PASSWORD"])
    headers = {"Authorization": f"Bearer {held.access}"}

    console, found = (
        identity.http.get(f"{ADMIN_URL}/admin/{path}", headers=headers)
        for path in ("master/console/", f"realms/{REALM}")
    )
    outside = [
        identity.http.get(f"{PUBLIC_URL}/identity/{path}", headers=headers)
        for path in (
            "admin/",
            "admin/master/console/",
            f"admin/realms/{REALM}",
            "realms/master",
            "realms/master/account/",
        )
    ]

    assert f'"authServerUrl": "{ADMIN_URL}"' in console.text
    assert (found.status_code, found.json()["realm"]) == (200, REALM)
    assert {answer.json()["type"] for answer in outside} == {"urn:baoho:problem:not-found"}


def test_a_code_is_worth_nothing_without_the_secret_of_the_visit(identity: Identity) -> None:
    browser = identity.visit()
    code = browser.submit(browser.open(), "analyst")

    stolen = browser.redeem(code, identity.visit().secret)

    assert (stolen.status_code, stolen.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    "changes",
    [
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge_method": "plain"},
        {"response_type": "token"},
        {"response_type": "id_token", "nonce": "n"},
        {"scope": "openid offline_access"},
        {"redirect_uri": "https://elsewhere.example/"},
        {"redirect_uri": f"{PUBLIC_URL}/elsewhere"},
        {"client_id": DEMO},
    ],
    ids=lambda changes: "+".join(changes) + ("" if PUBLIC_URL not in str(changes) else " inside"),
)
def test_the_page_lets_nobody_in_who_asks_in_another_way(identity: Identity, changes: dict[str, str | None]) -> None:
    page = identity.visit().open(**changes)

    told = page.headers.get("location", "")
    assert "kc-form-login" not in page.text
    assert page.status_code == 400 or "error=" in told, (page.status_code, told)


@pytest.mark.parametrize("client", [WEB, "account-console", "admin-cli"])
def test_no_client_but_the_demos_takes_a_password_directly(identity: Identity, client: str) -> None:
    form = {"grant_type": "password", "client_id": client, "username": "analyst", "password": "irrelevant"}

    answer = identity.answer(**form)

    assert answer.json()["error"] in {"unauthorized_client", "invalid_client"}


def test_a_service_fetches_what_was_handed_over_with_a_token_of_its_own(
    identity: Identity, trusting: TrustingHouse, hotline_port: int
) -> None:
    operator, officer = (identity.sign_in(role).access for role in ("hotline_operator", "osso_officer"))
    person = {"name": "Nguyễn Thị Hằng", "phone": "+886912345678"}
    body = {**POSTED, "reference": str(new_id()), "person": person}
    path = f"/hotline/v1/cases/{trusting.ask('POST /hotline/v1/cases', operator, body).json()['id']}"
    trusting.ask(f"POST {path}/triage", operator, {"priority": "p1"})
    trusting.ask(f"POST {path}/hand-over", operator, {"office": "osso-ha-noi"})
    trusting.carry("intake")

    with served(trusting.client("hotline").app, hotline_port):
        fetched = Fetcher(trusting.runtime("intake"), APPLY).fetch_due()

    found = trusting.ask("POST /intake/v1/people/search", officer, {"name": "hang nguyen"}).json()["items"]
    assert fetched == 1
    assert [len(person["case_ids"]) for person in found] == [1]


def test_a_services_token_is_short_names_one_target_and_opens_no_other(
    identity: Identity, trusting: TrustingHouse
) -> None:
    held = tokens(identity.service("intake", scope="audience:hotline"))

    opened = trusting.ask(f"GET /hotline/v1/hand-overs/{new_id()}", held.access)
    shut = trusting.ask(f"GET /registry/v1/contract-links/{new_id()}", held.access)

    said = {"sub": "service:intake", "client": "intake", "aud": "hotline", "roles": ["service"]}
    assert said.items() <= held.claims.items()
    assert held.claims["exp"] - held.claims["iat"] == 300
    assert held.refresh == ""
    assert (opened.status_code, shut.status_code) == (404, 401)


@pytest.mark.parametrize(("name", "target"), [("intake", "referral"), ("hotline", "intake"), ("registry", "intake")])
def test_a_service_gets_no_token_for_one_that_it_asks_nothing_of(identity: Identity, name: str, target: str) -> None:
    answer = identity.service(name, scope=f"audience:{target}")

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


@pytest.mark.parametrize("kind", STRANGE)
def test_a_strange_token_is_refused(identity: Identity, trusting: TrustingHouse, kind: str) -> None:
    held = identity.sign_in("analyst")

    answer = trusting.ask("GET /intake/v1/figures", STRANGE[kind](identity, held))

    assert answer.status_code == 401, answer.text


def test_a_token_is_refused_once_it_has_expired(identity: Identity, trusting: TrustingHouse) -> None:
    [client] = identity.administer("GET", f"/clients?clientId={DEMO}")
    brief = {**client, "attributes": {**client["attributes"], "access.token.lifespan": "1"}}
    identity.administer("PUT", f"/clients/{client['id']}", brief)
    held = identity.sign_in("analyst")
    identity.administer("PUT", f"/clients/{client['id']}", client)
    early = trusting.ask("GET /intake/v1/figures", held.access)

    time.sleep(max(0.0, held.claims["exp"] + LEEWAY + 0.5 - time.time()))
    late = trusting.ask("GET /intake/v1/figures", held.access)

    assert (early.status_code, late.status_code) == (200, 401)


def test_a_user_changes_her_name_and_never_how_far_she_sees(identity: Identity) -> None:
    identity.add_user("self-made", attributes={"office": ["osso-ha-noi"]})
    headers = {"Authorization": f"Bearer {account(identity, 'self-made').access}", "Accept": "application/json"}
    address = f"{identity.server.issuer()}/account/"
    profile = {**identity.http.get(address, headers=headers).json(), "firstName": "Mai"}

    renamed = identity.http.post(address, headers=headers, json=profile)
    wider: list[dict[str, list[str]]] = [
        {"office": ["osso-can-tho"]},
        {"org": [str(new_id())]},
        {"roles": ["auditor"]},
        {"office": []},
    ]
    attempts = [
        identity.http.post(
            address, headers=headers, json={**profile, "attributes": {**profile["attributes"], **wanted}}
        )
        for wanted in wider
    ]

    [kept] = identity.administer("GET", "/users?exact=true&username=self-made")
    claims = identity.sign_in("self-made").claims
    assert renamed.is_success, renamed.text
    assert kept["firstName"] == "Mai"
    assert kept["attributes"] == {"office": ["osso-ha-noi"]}
    assert [attempt.status_code for attempt in attempts[:2]] == [400, 400]
    assert (claims["office"], "org" in claims, "roles" in claims) == ("osso-ha-noi", False, False)


def test_a_refresh_token_serves_once(identity: Identity) -> None:
    held = identity.sign_in("auditor")

    first, again = identity.refresh(held), identity.refresh(held)

    assert first.status_code == 200
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


def test_a_disabled_user_gets_no_new_token(identity: Identity) -> None:
    user = identity.add_user("leaving")
    held = identity.sign_in("leaving")

    identity.administer("PUT", f"/users/{user}", {"username": "leaving", "enabled": False})
    answer = identity.refresh(held)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(("realm", "client"), [(REALM, DEMO), (MASTER, "admin-cli")])
def test_who_guesses_passwords_is_locked_out_even_with_the_right_one(
    identity: Identity, realm: str, client: str
) -> None:
    user = identity.add_user("guessed", realm)
    form = {"grant_type": "password", "client_id": client, "username": "guessed"}
    before = identity.answer(realm, **form, password=PASSWORD)

    for _ in range(5):
        identity.answer(realm, **form, password="a wrong guess")
    watched = f"/attack-detection/brute-force/users/{user}"
    locked = until(lambda: identity.administer("GET", watched, realm=realm)["disabled"])
    after = identity.answer(realm, **form, password=PASSWORD)

    assert (before.status_code, locked) == (200, True)
    assert (after.status_code, after.json()["error"]) == (400, "invalid_grant")


def test_a_password_that_is_easily_guessed_is_refused(identity: Identity) -> None:
    user = identity.add_user("short-of-words")

    with pytest.raises(httpx.HTTPStatusError, match="400"):
        identity.administer("PUT", f"/users/{user}/reset-password", {"type": "password", "value": "hanoi123"})


def test_the_server_has_taken_every_line_of_the_realm(identity: Identity) -> None:
    written = json.loads(text_of(production_realm()).replace("${PUBLIC_URL}", PUBLIC_URL))
    plain = {name: value for name, value in written.items() if not isinstance(value, list | dict)}
    asked = {client["clientId"]: client for client in written["clients"]}
    clients = {client["clientId"]: client for client in identity.administer("GET", "/clients?max=100")}
    scopes = {scope["name"]: scope for scope in identity.administer("GET", "/client-scopes")}

    assert plain.items() <= identity.administer("GET", "").items()
    assert [name for name, client in asked.items() if not taken(client, clients[name])] == []
    assert [scope["name"] for scope in written["clientScopes"] if not taken(scope, scopes[scope["name"]])] == []


def test_keycloaks_keys_are_rotated_under_running_services(identity: Identity, trusting: TrustingHouse) -> None:
    old = identity.sign_in("analyst")
    trusting.ask("GET /intake/v1/figures", old.access)
    [retiring] = identity.signing_keys()

    added = {**retiring, "id": None, "name": "next", "config": {**retiring["config"], "priority": ["200"]}}
    identity.administer("POST", "/components", added)
    new = identity.sign_in("analyst")
    taken_up = until(lambda: trusting.ask("GET /intake/v1/figures", new.access).status_code == 200)
    still_good = trusting.ask("GET /intake/v1/figures", old.access)
    retired = {**retiring, "config": {**retiring["config"], "active": ["false"], "enabled": ["false"]}}
    identity.administer("PUT", f"/components/{retiring['id']}", retired)
    trusting.forget_soon("intake")
    let_go = until(lambda: trusting.ask("GET /intake/v1/figures", old.access).status_code == 401)

    assert new.kid != old.kid
    assert (taken_up, still_good.status_code, let_go) == (True, 200, True)
    assert trusting.ask("GET /intake/v1/figures", new.access).status_code == 200
