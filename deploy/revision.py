"""`make revision`: writes a migration by comparing the models with a database that all migrations made."""

import sys
import tempfile
from pathlib import Path

from deploy.postgres import SERVICES, Server
from shared import migrations


def main() -> None:
    """Write a migration of one branch: `python -m deploy.revision BRANCH MESSAGE`."""
    branch, message = [*sys.argv[1:], "", ""][:2]
    if branch not in (*SERVICES, "kit") or not message:
        print(f'usage: make revision BRANCH={"|".join(SERVICES)}|kit MESSAGE="what changes"', file=sys.stderr)
        raise SystemExit(2)
    service = "intake" if branch == "kit" else branch
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder) / "postgres", fast=True) as server:
        server.prepare()
        url = server.url(service, "owner")
        if any((migrations.KIT / "versions").glob("*.py")):
            migrations.upgrade(service, url)
        migrations.revise(branch, message, url)
        server.destroy()


if __name__ == "__main__":
    main()
