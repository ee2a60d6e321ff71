"""Published counts."""

from datetime import date

from services.intake.schemas.cases import TextRead
from shared.schema import Output


class Figures(Output):
    """Counts of cases received in a year; null is a cell withheld to protect people, never zero."""

    unit: str
    definition: TextRead
    first_on: date
    last_on: date
    by_status: dict[str, int | None]
    by_complaint_type: dict[str, int | None]
    note: TextRead
