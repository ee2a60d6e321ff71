"""The one error that starting, stopping and preparing PostgreSQL raises."""


class ServerError(Exception):
    """Why PostgreSQL cannot serve, in one line that a person at the terminal can act on."""
