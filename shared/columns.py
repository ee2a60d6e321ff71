"""How our values lie in PostgreSQL: one spelling per kind of column, so that models read as lists of facts."""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Dialect, Enum, Identity, LargeBinary, MetaData, Numeric, TypeDecorator
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import class_mapper
from sqlalchemy.orm import registry as orm_registry
from sqlmodel import Field, SQLModel

from shared.clock import now
from shared.ids import new_id

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

ModelT = TypeVar("ModelT")


def new_registry() -> orm_registry:
    """Return a registry of a service's own: two tables named alike in two services must not meet."""
    return orm_registry(metadata=MetaData(naming_convention=NAMING))


def key() -> Any:
    """Return a UUIDv7 primary key."""
    return Field(default_factory=new_id, primary_key=True)


def sequence() -> Any:
    """Return the bigint that gives a list its order; PostgreSQL alone assigns it."""
    return Field(default=None, sa_type=BigInteger, sa_column_args=[Identity(always=True)], unique=True, nullable=False)


def instant(**options: Any) -> Any:
    """Return a UTC instant (`*_at`)."""
    return Field(sa_type=DateTime(timezone=True), **options)


class Choice(TypeDecorator[StrEnum]):
    """An enum stored as text with a CHECK."""

    impl = Enum
    cache_ok = True

    def __init__(self, members: type[StrEnum]) -> None:
        super().__init__(
            members,
            native_enum=False,
            create_constraint=True,
            length=64,
            name=members.__name__.lower(),
            values_callable=lambda enum: [member.value for member in enum],
        )
        self.members = members

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:  # noqa: ARG002 - so it is called
        """Look a text up; SQLAlchemy's own way calls two functions for each value of a list."""
        known: dict[str | None, StrEnum | None] = {None: None, **{member.value: member for member in self.members}}
        return known.__getitem__


def choice(members: type[StrEnum], **options: Any) -> Any:
    """Return an enum stored as text with a CHECK."""
    return Field(sa_type=Choice(members), **options)


def sealed(**options: Any) -> Any:
    """Return ciphertext of `crypto.seal`, or a blind index."""
    return Field(default=None, sa_type=LargeBinary, **options)


def amount(**options: Any) -> Any:
    """Return an exact amount of money, NUMERIC(20,4); its currency is the column beside it."""
    return Field(sa_type=Numeric(20, 4), **options)


def document(**options: Any) -> Any:
    """Return a JSONB value: codes and numbers, never personal data in clear."""
    return Field(sa_type=JSONB, **options)


class Versioned(SQLModel):
    """An aggregate: its version is its ETag, its lock orders its events."""

    id: UUID = key()
    version: int = Field(default=1)
    created_at: datetime = instant(default_factory=now)
    updated_at: datetime = instant(default_factory=now)


def made(model: type[ModelT], values: dict[str, Any]) -> ModelT:
    """Make an object of a model as a row that was read is made: what nobody has changed yet is not watched.

    The model's own way sets each field by itself, which for a wide row takes as long as all else that is done to it.
    """
    plain, drawn = _defaults(model)  # type: ignore[arg-type]  # a class is as hashable as any
    row = class_mapper(model).class_manager.new_instance()
    fields = vars(row)
    fields.update(plain)
    fields.update({name: draw() for name, draw in drawn.items() if name not in values})
    fields.update(values)
    return row


@cache
def _defaults(model: Any) -> tuple[dict[str, Any], dict[str, Callable[[], Any]]]:
    """Return what fields hold that are not given: the same for every row, or drawn for each."""
    fields = model.model_fields
    drawn = {name: field.default_factory for name, field in fields.items() if field.default_factory is not None}
    plain = {name: field.default for name, field in fields.items() if not field.is_required() and name not in drawn}
    return plain, drawn
