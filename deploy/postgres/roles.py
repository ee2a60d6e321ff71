"""Databases and roles: an owner who migrates and an app role without DDL per service, closed to all others."""

from typing import Final

from psycopg import Connection
from psycopg.sql import SQL, Composed, Identifier, Literal

from deploy.postgres.cluster import ROOT

SERVICES = ("intake", "hotline", "referral", "registry")
_DEFAULTS: Final = "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public "
LOGINS = (ROOT, *(f"{service}_{role}" for service in SERVICES for role in ("owner", "app")))


def make_roles(connection: Connection, passwords: dict[str, str]) -> None:
    """Make the missing login roles and close PostgreSQL's own databases to them."""
    for role in LOGINS:
        if not _exists(connection, SQL("SELECT 1 FROM pg_roles WHERE rolname = {}"), role):
            password = Literal(passwords[role])
            connection.execute(SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(Identifier(role), password))
    for database in ("postgres", "template1"):
        connection.execute(SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(Identifier(database)))


def make_database(connection: Connection, service: str) -> None:
    """Make the service's database unless it is there, and close it to all but its own two roles."""
    if not _exists(connection, SQL("SELECT 1 FROM pg_database WHERE datname = {}"), service):
        owner = Identifier(f"{service}_owner")
        connection.execute(SQL("CREATE DATABASE {} OWNER {}").format(Identifier(service), owner))
    grant_database(connection, service, service)


def grant_database(connection: Connection, service: str, database: str) -> None:
    """Let only the service's roles connect: these rights lie on the database's name and are not copied with it."""
    names = {"database": Identifier(database), "app": Identifier(f"{service}_app")}
    connection.execute(SQL("REVOKE ALL ON DATABASE {database} FROM PUBLIC, {app}").format(**names))
    connection.execute(SQL("GRANT CONNECT ON DATABASE {database} TO {app}").format(**names))


def grant_schema(connection: Connection, service: str) -> None:
    """In the service's own database: the owner's tables can be used by the app role, which can make none itself."""
    names = {"owner": Identifier(f"{service}_owner"), "app": Identifier(f"{service}_app")}
    for statement in (
        "ALTER SCHEMA public OWNER TO {owner}",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC, {app}",
        "GRANT USAGE ON SCHEMA public TO {app}",
        _DEFAULTS + "GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {app}",
        _DEFAULTS + "GRANT USAGE, SELECT ON SEQUENCES TO {app}",
    ):
        connection.execute(SQL(statement).format(**names))


def clone_database(connection: Connection, template: str, name: str) -> None:
    """Copy a database with its owner and rights; nobody may be connected to the template meanwhile."""
    found = connection.execute(
        "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s", (template,)
    ).fetchone()
    owner = found[0] if found else ROOT  # A missing template is PostgreSQL's to name.
    names = {"name": Identifier(name), "template": Identifier(template), "owner": Identifier(owner)}
    connection.execute(SQL("CREATE DATABASE {name} TEMPLATE {template} OWNER {owner}").format(**names))
    grant_database(connection, owner.removesuffix("_owner"), name)


def drop_database(connection: Connection, name: str) -> None:
    """Drop a database if it is there, sending its users away."""
    connection.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))


def _exists(connection: Connection, query: SQL, name: str) -> bool:
    asked: Composed = query.format(Literal(name))
    return connection.execute(asked).fetchone() is not None
