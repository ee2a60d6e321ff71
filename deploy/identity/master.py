"""The realm of Keycloak's administrators; `python -m deploy.identity.master` writes its file.

Keycloak makes a realm `master` of its own at its first start unless one is imported: guessing passwords there would
cost nothing, and its sign-in page would stand at the public address.
"""

import json
from pathlib import Path

from deploy.identity.claims import Json
from deploy.identity.realm import MINUTE, SESSION, doors, text_of

MASTER = "master"
MASTER_FILE = Path(__file__).with_name("master.json")
ADMIN_URL = "${KC_HOSTNAME_ADMIN}"
"""A place for the environment's value: where the administrator's door is."""


def master_realm() -> Json:
    """Return the realm with the rules of ours; Keycloak adds its roles, its clients and the first administrator."""
    return {
        "realm": MASTER,
        "displayName": "Keycloak",
        "enabled": True,
        **doors(),
        **SESSION,
        "accessTokenLifespan": MINUTE,
        "attributes": {"frontendUrl": ADMIN_URL},
        "components": {"org.keycloak.userprofile.UserProfileProvider": [_profile()]},
    }


def _profile() -> Json:
    """An administrator needs no more than a name to sign in with: the first one has nothing else."""
    names = ("username", "email", "firstName", "lastName")
    both = ["admin", "user"]
    attributes = [{"name": name, "permissions": {"view": both, "edit": both}} for name in names]
    config = {"kc.user.profile.config": [json.dumps({"attributes": attributes})]}
    return {"providerId": "declarative-user-profile", "config": config}


if __name__ == "__main__":
    MASTER_FILE.write_text(text_of(master_realm()), encoding="utf-8")
