"""`python -m deploy.migrate`: brings every database to head, as its owner; the one-shot step before the services start."""

import os

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
    upgrade_all()
