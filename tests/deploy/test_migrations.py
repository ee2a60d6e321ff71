"""Migrations: they make exactly what the models say, and the running service may not touch tables."""

from typing import Any

import psycopg
import pytest
import sqlalchemy
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.types import TypeEngine
from sqlmodel.sql.sqltypes import AutoString

from deploy.postgres import SERVICES, Server
from services.intake.models import Priority
from shared import migrations
from shared.columns import Choice
from shared.db import conninfo


@pytest.mark.parametrize("service", SERVICES)
def test_models_and_migrations_agree(server: Server, service: str) -> None:
    command.check(migrations.config(service, server.url(service, "owner")))


@pytest.mark.parametrize("service", SERVICES)
def test_a_migrated_database_is_at_head_and_migrating_again_is_harmless(server: Server, service: str) -> None:
    migrations.upgrade(service, server.url(service, "owner"))
    engine = create_engine(server.url(service))

    at_head = migrations.at_head(engine, service)

    engine.dispose()
    assert at_head


@pytest.mark.parametrize("service", SERVICES)
def test_a_process_expects_the_same_newest_migrations_as_whoever_migrates(service: str) -> None:
    heads = ScriptDirectory.from_config(migrations.config(service)).get_heads()

    assert migrations.expected(service) == frozenset(heads)


@pytest.mark.parametrize("statement", ["CREATE TABLE x (y int)", "ALTER TABLE outbox ADD z int", "DROP TABLE inbox"])
@pytest.mark.parametrize("service", SERVICES)
def test_a_running_service_cannot_change_its_tables(server: Server, service: str, statement: str) -> None:
    with (
        psycopg.connect(conninfo(server.url(service))) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement)


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit SET actor = 'x'", "DELETE FROM audit", "TRUNCATE audit_seal", "DELETE FROM audit_head"],
)
@pytest.mark.parametrize("service", SERVICES)
def test_a_running_service_cannot_take_from_the_audit_trail(server: Server, service: str, statement: str) -> None:
    with (
        psycopg.connect(conninfo(server.url(service))) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement)


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (AutoString(40), "sa.String()"),
        (
            Choice(Priority),
            "sa.Enum('p0', 'p1', 'p2', 'p3', name='priority', native_enum=False, create_constraint=True, length=64)",
        ),
    ],
)
def test_a_migration_names_no_type_of_ours(column: TypeEngine[Any], text: str) -> None:
    assert migrations.written("type", column, None) == text
    assert isinstance(eval(text, {"sa": sqlalchemy}), TypeEngine)  # noqa: S307 - as the migration will be
