"""The registry that all tables of intake hang on."""

from sqlmodel import SQLModel

from shared.columns import new_registry

_registry = new_registry()
metadata = _registry.metadata


class IntakeBase(SQLModel, registry=_registry):
    """The tables of intake."""
