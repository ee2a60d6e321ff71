"""Who calls: each role with a token of the scope that the objects belong to, of another scope, and of none."""

from datetime import timedelta
from pathlib import Path

from deploy.identity.demo import LEGAL_AID_ORG, SHELTER_ORG
from deploy.identity.keys import sign
from shared.ids import new_id

OWN: dict[str, dict[str, str]] = {
    "osso_officer": {"office": "osso-ha-noi", "province": "01"},
    "osso_supervisor": {"office": "osso-ha-noi", "province": "01"},
    "mrc_counsellor": {"office": "mrc-nghe-an", "province": "40"},
    "mission_officer": {"country": "TW"},
    "partner_worker": {"org": str(SHELTER_ORG)},
    "partner_manager": {"org": str(SHELTER_ORG)},
    "labour_officer": {"province": "01"},
    "service": {"client": "intake"},
}
FOREIGN: dict[str, dict[str, str]] = {
    "osso_officer": {"office": "osso-can-tho", "province": "92"},
    "osso_supervisor": {"office": "osso-can-tho", "province": "92"},
    "mrc_counsellor": {"office": "mrc-phu-tho", "province": "25"},
    "mission_officer": {"country": "JP"},
    "partner_worker": {"org": str(LEGAL_AID_ORG)},
    "partner_manager": {"org": str(LEGAL_AID_ORG)},
    "agency_officer": {"agency": str(new_id())},
    "labour_officer": {"province": "92"},
    "service": {"client": "referral"},
}
SCOPED = tuple(FOREIGN)
"""Roles whose sight the token bounds; the others have none, or see everything of their kind."""


class Callers:
    """Gives tokens; the same caller gets the same one each time."""

    def __init__(self, state: Path, agency_id: str) -> None:
        self._state = state
        self._own = {**OWN, "agency_officer": {"agency": agency_id}}
        self._known: dict[tuple[str, str, str], dict[str, str]] = {}

    def headers(self, role: str, whose: str, service: str) -> dict[str, str]:
        """Return what a role sends to a service: `whose` is own, foreign, or nobody's (a token that names no scope)."""
        if role == "anonymous":
            return {}
        caller = (role, whose, service if role == "service" else "")
        if caller not in self._known:
            scopes = {"own": self._own, "foreign": FOREIGN, "nobody's": {}}[whose]
            self._known[caller] = self.bearer(role, service, **scopes.get(role, {}))
        return self._known[caller]

    def bearer(self, role: str, service: str = "", sub: str | None = None, **claims: str) -> dict[str, str]:
        """Return headers with a token of these claims and no others."""
        audience = service if role == "service" else "baoho"
        who = {"sub": sub or f"{role}:caller", "roles": [role], "aud": audience}
        return {"Authorization": f"Bearer {sign(self._state, {**who, **claims}, timedelta(minutes=30))}"}
