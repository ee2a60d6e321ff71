"""Migrations for every database: `python -m deploy.migrate` upgrades all; `revision BRANCH MESSAGE URL` writes a new one."""

import os
import sys

from deploy.topology import SERVICES
from shared import migrations


def upgrade_all() -> None:
    """Upgrade each service's database, as its owner; a missing address is told by its name."""
    missing = [service.owner_setting for service in SERVICES if service.owner_setting not in os.environ]
    if missing:
        message = f"missing in the environment: {', '.join(missing)}"
        raise SystemExit(message)
    for service in SERVICES:
        migrations.upgrade(service.name, os.environ[service.owner_setting])
        print(f"{service.name}: at head")


if __name__ == "__main__":
    if sys.argv[1:2] == ["revision"] and len(sys.argv) == 5:  # noqa: PLR2004 - revision BRANCH MESSAGE URL
        migrations.revise(*sys.argv[2:5])
    elif len(sys.argv) == 1:
        upgrade_all()
    else:
        raise SystemExit(__doc__)
