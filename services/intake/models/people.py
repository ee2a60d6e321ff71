"""Who a case is about; nothing of it is stored in clear."""

from datetime import datetime

from sqlmodel import Field

from services.intake.models.base import IntakeBase
from shared.columns import Versioned, instant, sealed, sequence


class Person(IntakeBase, Versioned, table=True):
    """A person as an office knows her; two rows may be one human being, and only a person may say so."""

    __tablename__ = "person"

    seq: int | None = sequence()
    office: str = Field(index=True)
    province: str = Field(index=True)
    details: bytes | None = sealed()
    """Sealed JSON of `PersonDetails`; None while a hand-over's details are on their way, and after erasure."""
    number_blind: bytes | None = sealed(index=True)
    erased_at: datetime | None = instant(default=None)
