"""What tokens of the realm say: client scopes, with the mappers that put a claim into access tokens and into no others."""

from typing import Any

from deploy.identity import PERSON_AUDIENCE, SERVICES

SCOPE_CLAIMS = ("office", "province", "country", "org", "agency")
"""What an administrator notes of a user and her token says of her: how far she sees."""

Json = dict[str, Any]


def client_scopes() -> list[Json]:
    """Return the sets of claims that clients are given: a person's, a service's, and one for each target."""
    subject = mapper("sub", "oidc-sub-mapper")
    roles = mapper("roles", "oidc-usermodel-realm-role-mapper", **{"claim.name": "roles", "multivalued": "true"})
    of_account = {"claim.name": "resource_access.${client_id}.roles", "multivalued": "true"}
    claims = [_attribute(name) for name in SCOPE_CLAIMS]
    note = {"user.session.note": "client_id", "claim.name": "client"}
    return [
        _scope("basic", subject),
        _scope("account", mapper("roles", "oidc-usermodel-client-role-mapper", **of_account)),
        _scope("person", _audience(PERSON_AUDIENCE), roles, *claims),
        _scope("service", roles, mapper("client", "oidc-usersessionmodel-note-mapper", **note)),
        *(_scope(f"audience:{name}", _audience(name)) for name in SERVICES),
    ]


def _scope(name: str, *mappers: Json) -> Json:
    hidden = {"include.in.token.scope": "false", "display.on.consent.screen": "false"}
    return {"name": name, "protocol": "openid-connect", "attributes": hidden, "protocolMappers": list(mappers)}


def mapper(name: str, kind: str, **config: str) -> Json:
    """Return what puts something into access tokens, and into no other token."""
    shown = {"access.token.claim": "true", "introspection.token.claim": "true"}
    hidden = {"id.token.claim": "false", "userinfo.token.claim": "false"}
    return {
        "name": name,
        "protocol": "openid-connect",
        "protocolMapper": kind,
        "config": {**shown, **hidden, "jsonType.label": "String", **config},
    }


def _attribute(name: str) -> Json:
    return mapper(name, "oidc-usermodel-attribute-mapper", **{"user.attribute": name, "claim.name": name})


def _audience(name: str) -> Json:
    return mapper("audience", "oidc-audience-mapper", **{"included.custom.audience": name})
