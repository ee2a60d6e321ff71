"""What Alembic runs: one transaction, under a lock, with bounded waits."""

from importlib import import_module
from typing import Any

from alembic import context
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from shared.migrations import written
from shared.tables import kit

LOCK = 0x62616F686F
"""Two migrators at once: the second waits for the first (the number spells `baoho`)."""

attributes = context.config.attributes
service = attributes["service"]
models = import_module(f"services.{service}.models")
branch = attributes.get("branch")
kits = set(kit.tables)


def belongs(_object: Any, name: str | None, kind: str, _reflected: bool, _compared: Any) -> bool:
    """Leave the other branch's tables alone while a migration of one branch is written."""
    if kind != "table" or branch is None:
        return True
    return bool((name in kits) == (branch == "kit"))


engine = create_engine(attributes["url"], poolclass=NullPool, hide_parameters=True)

with engine.connect() as connection:
    connection.execute(text("SET lock_timeout = '10s'"))
    connection.execute(text("SET statement_timeout = '10min'"))
    connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=[kit, models.metadata],
        include_object=belongs,
        render_item=written,
        transaction_per_migration=True,
        compare_server_default=False,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
engine.dispose()
