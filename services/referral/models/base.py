"""The one registry that all tables of referral hang on."""

from sqlmodel import SQLModel

from shared.columns import new_registry

_registry = new_registry()
metadata = _registry.metadata


class ReferralBase(SQLModel, registry=_registry):
    """The tables of referral."""
