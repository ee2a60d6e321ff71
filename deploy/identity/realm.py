"""The realm of Keycloak: roles, claims, clients and rules; `python -m deploy.identity.realm` writes its file.

Keycloak imports it at its first start and puts the environment's values where secrets and the public address stand as `${NAME}`.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from deploy.identity import SERVICES
from deploy.identity.claims import SCOPE_CLAIMS, Json, client_scopes, mapper
from deploy.identity.demo import CLAIM_FORMS, IDENTITIES
from shared.permissions import Role

REALM = "baoho"
REALM_FILE = Path(__file__).with_name("realm.json")
WEB = "baoho-web"
DEMO = "baoho-demo"
"""The client of `demo_realm` that takes passwords directly; the realm for production has none such."""
DEMO_PASSWORD = "${DEMO_PASSWORD}"  # noqa: S105 - a place for the environment's value
PEOPLE = tuple(role.value for role in Role if role is not Role.SERVICE)
TARGETS: Mapping[str, tuple[str, ...]] = {"intake": ("hotline", "registry")}
"""Which services a service fetches details from, and so may have tokens for; the others ask nobody."""

MINUTE = 60
PERSON_SECONDS = 10 * MINUTE
SERVICE_SECONDS = 5 * MINUTE
SESSION: Json = {"ssoSessionIdleTimeout": 30 * MINUTE, "ssoSessionMaxLifespan": 10 * 60 * MINUTE}
"""How long a person stays signed in: half an hour at rest, a shift at most."""


def production_realm() -> Json:
    """Return the realm as it is on a server: nobody in it yet but the services themselves."""
    return {
        "realm": REALM,
        "displayName": "Bảo Hộ",
        "enabled": True,
        **doors(),
        **_lifetimes(),
        "roles": _roles(),
        "defaultRole": {"name": f"default-roles-{REALM}"},
        "clientScopes": client_scopes(),
        "defaultDefaultClientScopes": ["basic"],
        "defaultOptionalClientScopes": [],
        "clients": [*_own_clients(), _web(), *map(_service, SERVICES)],
        "scopeMappings": _scope_mappings(),
        "clientScopeMappings": {"account": [{"client": "account-console", "roles": ["manage-account"]}]},
        "users": [_service_account(name) for name in SERVICES],
        "components": {
            "org.keycloak.keys.KeyProvider": _keys(),
            "org.keycloak.userprofile.UserProfileProvider": _profile(),
        },
    }


def demo_realm() -> Json:
    """Return the same realm with the demo users, who sign in with the password that the environment gives."""
    realm = production_realm()
    client = {**_client(DEMO, ("basic", "person"), publicClient=True), "directAccessGrantsEnabled": True}
    realm["clients"].append(client)
    realm["scopeMappings"].append({"client": DEMO, "roles": list(PEOPLE)})
    realm["users"] += [_demo_user(role, claims) for role, claims in IDENTITIES.items()]
    return realm


def text_of(realm: Json) -> str:
    """Return a realm as the text of a file."""
    return json.dumps(realm, indent=2, ensure_ascii=False) + "\n"


def doors() -> Json:
    """Who may come in, and how often one may be wrong; what was typed wrongly must not reach a log."""
    return {
        "sslRequired": "external",
        "registrationAllowed": False,
        "resetPasswordAllowed": False,
        "rememberMe": False,
        "editUsernameAllowed": False,
        "loginWithEmailAllowed": False,
        "bruteForceProtected": True,
        "failureFactor": 5,
        "waitIncrementSeconds": MINUTE,
        "maxFailureWaitSeconds": 15 * MINUTE,
        "passwordPolicy": "length(12) and notUsername(undefined) and notEmail(undefined) and passwordHistory(5)",
        "internationalizationEnabled": True,
        "supportedLocales": ["vi", "en"],
        "defaultLocale": "vi",
        "eventsEnabled": True,
        "eventsExpiration": 90 * 24 * 60 * MINUTE,
        "eventsListeners": [],
        "adminEventsEnabled": True,
        "adminEventsDetailsEnabled": False,
    }


def _lifetimes() -> Json:
    return {
        "defaultSignatureAlgorithm": "ES256",
        "accessTokenLifespan": PERSON_SECONDS,
        "accessCodeLifespan": MINUTE,
        **SESSION,
        "revokeRefreshToken": True,
        "refreshTokenMaxReuse": 0,
    }


def _roles() -> Json:
    """Our roles, and what everybody may do with her own account; no offline tokens."""
    everybody = {"client": {"account": ["manage-account", "view-profile"]}}
    default = {"name": f"default-roles-{REALM}", "composite": True, "composites": everybody}
    account = {
        "name": "manage-account",
        "composite": True,
        "composites": {"client": {"account": ["manage-account-links"]}},
    }
    return {
        "realm": [default, *({"name": role.value} for role in Role)],
        "client": {"account": [account, {"name": "manage-account-links"}, {"name": "view-profile"}]},
    }


def _client(name: str, scopes: Iterable[str], **more: Any) -> Json:
    """Return a client that may do nothing yet and sees no role but those it is given."""
    return {
        "clientId": name,
        "enabled": True,
        "protocol": "openid-connect",
        "publicClient": False,
        "standardFlowEnabled": False,
        "implicitFlowEnabled": False,
        "directAccessGrantsEnabled": False,
        "serviceAccountsEnabled": False,
        "fullScopeAllowed": False,
        "defaultClientScopes": list(scopes),
        "optionalClientScopes": [],
        **more,
        "attributes": {"access.token.header.type.rfc9068": "true", **more.get("attributes", {})},
    }


def _web() -> Json:
    """The pages in which people sign in: code and PKCE, sent back to the public address alone."""
    return _client(
        WEB,
        ("basic", "person"),
        publicClient=True,
        standardFlowEnabled=True,
        redirectUris=["${PUBLIC_URL}/"],
        webOrigins=["${PUBLIC_URL}"],
        attributes={"pkce.code.challenge.method": "S256", "post.logout.redirect.uris": "${PUBLIC_URL}/"},
    )


def _service(name: str) -> Json:
    """A service as a client: its own secret, short tokens, one target each, asked for by `scope=audience:<target>`."""
    subject = mapper(
        "service", "oidc-hardcoded-claim-mapper", **{"claim.name": "sub", "claim.value": f"service:{name}"}
    )
    return _client(
        name,
        ("basic", "service"),
        secret=f"${{{name.upper()}_CLIENT_SECRET}}",
        serviceAccountsEnabled=True,
        optionalClientScopes=[f"audience:{target}" for target in TARGETS.get(name, ())],
        protocolMappers=[subject],
        attributes={"access.token.lifespan": str(SERVICE_SECONDS), "client_credentials.use_refresh_token": "false"},
    )


def _service_account(name: str) -> Json:
    return {
        "username": f"service-account-{name}",
        "enabled": True,
        "serviceAccountClientId": name,
        "realmRoles": [Role.SERVICE.value],
    }


def _own_clients() -> list[Json]:
    """Keycloak's own: where people change their password, and, shut, the one that would take passwords directly."""
    home = f"/realms/{REALM}/account/"
    page = {"publicClient": True, "rootUrl": "${authBaseUrl}", "baseUrl": home, "redirectUris": [f"{home}*"]}
    pages = {**page, "standardFlowEnabled": True, "attributes": {"pkce.code.challenge.method": "S256"}}
    resolve = mapper("audience resolve", "oidc-audience-resolve-mapper")
    return [
        _client("account", (), **page),
        _client("account-console", ("basic", "account"), **pages, protocolMappers=[resolve]),
        _client("admin-cli", (), publicClient=True) | {"enabled": False},
    ]


def _scope_mappings() -> list[Json]:
    """Whatever roles a user holds, a client passes on these alone: no person is ever a service."""
    services = [{"client": name, "roles": [Role.SERVICE.value]} for name in SERVICES]
    return [{"client": WEB, "roles": list(PEOPLE)}, *services]


def _keys() -> list[Json]:
    """One key signs; the two secret ones are Keycloak's own, for its refresh tokens and cookies."""
    kinds = {
        "ecdsa-generated": {"ecdsaEllipticCurveKey": ["P-256"]},
        "hmac-generated": {"algorithm": ["HS512"]},
        "aes-generated": {},
    }
    return [{"name": kind, "providerId": kind, "config": {"priority": ["100"], **more}} for kind, more in kinds.items()]


def _profile() -> list[Json]:
    """What a user is; what bounds her sight is the administrator's to write, and hers to read."""
    own = [
        {"name": name, "permissions": {"view": ["admin", "user"], "edit": ["admin"]}} for name in ("username", "email")
    ]
    names = [
        {"name": name, "permissions": {"view": ["admin", "user"], "edit": ["admin", "user"]}}
        for name in ("firstName", "lastName")
    ]
    scope = [
        {
            "name": name,
            "displayName": name,
            "permissions": {"view": ["admin", "user"], "edit": ["admin"]},
            "validations": {"pattern": {"pattern": CLAIM_FORMS[name][0].pattern}},
        }
        for name in SCOPE_CLAIMS
    ]
    text = json.dumps({"attributes": [*own, *names, *scope]})
    return [{"providerId": "declarative-user-profile", "config": {"kc.user.profile.config": [text]}}]


def _demo_user(role: str, claims: Mapping[str, str]) -> Json:
    return {
        "username": role,
        "enabled": True,
        "attributes": {name: [value] for name, value in claims.items()},
        "credentials": [{"type": "password", "value": DEMO_PASSWORD}],
        "realmRoles": [f"default-roles-{REALM}", role],
    }


if __name__ == "__main__":
    REALM_FILE.write_text(text_of(production_realm()), encoding="utf-8")
