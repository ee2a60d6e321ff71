"""The bases of what goes over the wire: inputs refuse what they do not know, outputs list what they show."""

import re
from datetime import date
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    StringConstraints,
)
from pydantic_core import CoreSchema, PydanticKnownError
from pydantic_core.core_schema import no_info_before_validator_function as checked_before

from shared import codes
from shared.codes import CodeList
from shared.validation import ExpectedError

DAY_FORM = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _written_day(value: Any) -> Any:
    """Refuse what pydantic would take for seconds since 1970: `0` and `"86400"` are no days."""
    if isinstance(value, str) and not DAY_FORM.fullmatch(value):
        raise PydanticKnownError("date_parsing", {"error": "not as YYYY-MM-DD"})
    if isinstance(value, int | float):
        raise PydanticKnownError("date_type")
    return value


Day = Annotated[date, BeforeValidator(_written_day)]
"""A day in a query, as it is written in a body."""


def _exact(part: Any) -> Any:
    if isinstance(part, list):
        return [_exact(item) for item in part]
    if not isinstance(part, dict):
        return part
    inner = {name: _exact(value) for name, value in part.items()}
    if part.get("type") in ("bool", "int"):
        return {**inner, "strict": True}
    return checked_before(_written_day, inner) if part.get("type") == "date" else inner


class Input(BaseModel):
    """A request body: unknown fields are refused, white space around text does not count, and nothing is guessed.

    Left to itself, pydantic takes `0` and `"off"` for false, `true` for 1, and `0` for the first of January 1970.
    """

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, frozen=True)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Take truth values, whole numbers and days only as JSON writes them."""
        exact: CoreSchema = _exact(handler(source))
        return exact


class Output(BaseModel):
    """An answer: its fields are listed one by one, so that no new column is shown by accident."""

    model_config = ConfigDict(from_attributes=True)


def code_of(listed: CodeList[Any]) -> Any:
    """Return a type for a code of a list, as it stands today."""

    def check(value: str) -> str:
        if listed.get(value) is None:
            raise ExpectedError(f"một mã của danh sách {listed.name}", f"a code of the list {listed.name}")
        return value

    known: Any = {"enum": [row.code for row in listed.all()]}
    return Annotated[str, StringConstraints(max_length=64), AfterValidator(check), Field(json_schema_extra=known)]


Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Line = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Narrative = Annotated[str, StringConstraints(min_length=1, max_length=20_000)]
CountryCode = code_of(codes.countries)
ComplaintCode = code_of(codes.complaint_types)
LanguageCode = code_of(codes.languages)
OfficeCode = code_of(codes.offices)
ProvinceCode = code_of(codes.provinces)
SexCode = code_of(codes.sexes)
