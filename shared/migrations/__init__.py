"""Alembic for every service: two branches in each database, the kit's and the service's own; loaded by whoever migrates."""

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import Engine, inspect, text
from sqlmodel.sql.sqltypes import AutoString

from shared.columns import Choice
from shared.ids import new_id

if TYPE_CHECKING:
    from alembic.config import Config

KIT = Path(__file__).parent
SERVICES = KIT.parents[1] / "services"
NAMED = re.compile(r"^(down_revision|revision) = (.*)$", re.MULTILINE)
"""How a migration says which it is, and which it follows."""


def config(service: str, url: str | None = None, branch: str | None = None) -> "Config":
    """Return Alembic's configuration for one service; `url` is that of its owner, who alone may change tables.

    `branch` (`kit` or the service) is named while a migration is written, to leave the other branch's tables alone.
    """
    from alembic.config import Config

    alembic = Config()
    alembic.set_main_option("script_location", str(KIT))
    alembic.set_main_option("path_separator", "newline")
    alembic.set_main_option("version_locations", "\n".join(map(str, _folders(service))))
    alembic.set_main_option("file_template", "%%(year)d_%%(month).2d_%%(day).2d_%%(slug)s")
    alembic.attributes["url"] = url
    alembic.attributes["service"] = service
    alembic.attributes["branch"] = branch
    return alembic


def upgrade(service: str, url: str) -> None:
    """Bring a database to the newest tables; safe to run again, and by two at once."""
    from alembic import command

    command.upgrade(config(service, url), "heads")


def at_head(engine: Engine, service: str) -> bool:
    """Say whether the database has exactly the tables that this code expects."""
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return False
        present = frozenset(connection.execute(text("SELECT version_num FROM alembic_version")).scalars())
    return present == expected(service)


@cache
def expected(service: str) -> frozenset[str]:
    """Return the newest migrations, which none follows, as the files say: Alembic would cost every process 10 MiB."""
    said: dict[str, set[str]] = {"revision": set(), "down_revision": set()}
    for folder in _folders(service):
        for path in folder.glob("*.py"):
            for name, value in NAMED.findall(path.read_text(encoding="utf-8")):
                said[name].update(re.findall(r"\w+", value))
    return frozenset(said["revision"] - said["down_revision"])


def _folders(service: str) -> tuple[Path, Path]:
    return KIT / "versions", SERVICES / service / "migrations"


def revise(branch: str, message: str, url: str) -> None:
    """Write a migration that brings `branch` (a service, or `kit`) from what `url` holds to what its models say."""
    from alembic import command

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


def written(kind: str, column: Any, _context: Any) -> str | Literal[False]:
    """Write a type of ours, or SQLModel's, as what it is: a migration outlives the library that once made its table."""
    if kind == "type" and isinstance(column, AutoString):
        return "sa.String()"
    if kind == "type" and isinstance(column, Choice):
        return f"sa.{column.impl!r}"
    return False
