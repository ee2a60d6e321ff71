"""The demo identities, one for each role a person can have, and tokens for them without a password."""

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from deploy.identity import PERSON_AUDIENCE, IdentityError, keys

LEGAL_AID_ORG = UUID("01920000-0000-7000-8000-000000000001")
SHELTER_ORG = UUID("01920000-0000-7000-8000-000000000002")
COUNSELLING_ORG = UUID("01920000-0000-7000-8000-000000000003")
DEMO_AGENCY = UUID("01920000-0000-7000-8000-000000000101")

LIFETIME = timedelta(hours=8)

IDENTITIES: Mapping[str, Mapping[str, str]] = {
    "osso_officer": {"office": "osso-ha-noi", "province": "01"},
    "osso_supervisor": {"office": "osso-ha-noi", "province": "01"},
    "mrc_counsellor": {"office": "mrc-nghe-an", "province": "40"},
    "hotline_operator": {},
    "mission_officer": {"country": "TW"},
    "partner_worker": {"org": str(LEGAL_AID_ORG)},
    "partner_manager": {"org": str(LEGAL_AID_ORG)},
    "registry_clerk": {},
    "agency_officer": {"agency": str(DEMO_AGENCY)},
    "labour_officer": {"province": "01"},
    "analyst": {},
    "auditor": {},
    "administrator": {},
}
"""Each role and the claims its demo identity has unless others are asked for."""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
CLAIM_FORMS: Mapping[str, tuple[re.Pattern[str], str]] = {
    "office": (re.compile(r"[a-z0-9-]{1,64}"), "lower-case letters, digits and hyphens"),
    "province": (re.compile(r"[0-9]{2}"), "two digits"),
    "country": (re.compile(r"[A-Z]{2}"), "two capital letters (ISO 3166-1)"),
    "org": (_UUID, "a UUID in lower case"),
    "agency": (_UUID, "a UUID in lower case"),
    "sub": (re.compile(r"[A-Za-z0-9:._-]{1,128}"), "letters, digits and : . _ -"),
}
"""The claims that may be asked for, each with its form and how to say it."""


class UnknownRoleError(IdentityError):
    """No demo identity has this role."""


class BadClaimError(IdentityError):
    """A claim that does not exist, or whose value has another form."""


def mint(state: Path, role: str, *, ttl: timedelta = LIFETIME, **claims: str | UUID | None) -> str:
    """Sign a token for the demo identity of a role, straight with the key on disk.

    `claims` (office, province, country, org, agency, sub) replace the identity's own; None or an empty text leaves
    them. Raises `UnknownRoleError`, `BadClaimError`, or `NoKeysError` where the issuer has never run.
    """
    if role not in IDENTITIES:
        raise UnknownRoleError(f"There is no such role; the roles are {', '.join(IDENTITIES)}.")
    asked = {name: str(value) for name, value in claims.items() if value}
    for name, value in asked.items():
        _check(name, value)
    identity = {"sub": f"demo:{role}", **IDENTITIES[role], **asked}
    return keys.sign(state, {**identity, "aud": PERSON_AUDIENCE, "roles": [role]}, ttl)


def _check(name: str, value: str) -> None:
    if name not in CLAIM_FORMS:
        raise BadClaimError(f"There is no claim {name}; the claims are {', '.join(CLAIM_FORMS)}.")
    pattern, form = CLAIM_FORMS[name]
    if not pattern.fullmatch(value):
        raise BadClaimError(f"The claim {name} must be {form}.")
