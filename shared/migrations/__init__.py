"""Alembic for every service: two branches in each database, the kit's and the service's own."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text

from shared.ids import new_id

KIT = Path(__file__).parent
SERVICES = KIT.parents[1] / "services"


def config(service: str, url: str | None = None, branch: str | None = None) -> Config:
    """Return Alembic's configuration for one service; `url` is that of its owner, who alone may change tables.

    `branch` (`kit` or the service) is named while a migration is written, to leave the other branch's tables alone.
    """
    alembic = Config()
    alembic.set_main_option("script_location", str(KIT))
    alembic.set_main_option("path_separator", "newline")
    versions = [str(KIT / "versions"), str(SERVICES / service / "migrations")]
    alembic.set_main_option("version_locations", "\n".join(versions))
    alembic.set_main_option("file_template", "%%(year)d_%%(month).2d_%%(day).2d_%%(slug)s")
    alembic.attributes["url"] = url
    alembic.attributes["service"] = service
    alembic.attributes["branch"] = branch
    return alembic


def upgrade(service: str, url: str) -> None:
    """Bring a database to the newest tables; safe to run again, and by two at once."""
    command.upgrade(config(service, url), "heads")


def at_head(engine: Engine, service: str) -> bool:
    """Say whether the database has exactly the tables that this code expects."""
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return False
        present = frozenset(connection.execute(text("SELECT version_num FROM alembic_version")).scalars())
    return present == _heads(service)


@cache
def _heads(service: str) -> frozenset[str]:
    return frozenset(ScriptDirectory.from_config(config(service)).get_heads())


def revise(branch: str, message: str, url: str) -> None:
    """Write a migration that brings `branch` (a service, or `kit`) from what `url` holds to what its models say."""
    alembic = config("intake" if branch == "kit" else branch, url, branch)
    folder = KIT / "versions" if branch == "kit" else SERVICES / branch / "migrations"
    begun = any(folder.glob("*.py"))
    command.revision(
        alembic,
        message,
        autogenerate=True,
        rev_id=f"{branch}_{new_id().hex[:12]}",
        version_path=str(folder),
        head=f"{branch}@head" if begun else "base",
        branch_label=None if begun else branch,
        splice=True,
    )
