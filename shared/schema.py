"""The bases of what goes over the wire: inputs refuse what they do not know, outputs list what they show."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

from shared import codes
from shared.codes import CodeList
from shared.validation import ExpectedError


class Input(BaseModel):
    """A request body: unknown fields are refused, white space around text does not count."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, frozen=True)


class Output(BaseModel):
    """An answer: its fields are listed one by one, so that no new column is shown by accident."""

    model_config = ConfigDict(from_attributes=True)


def code_of(listed: CodeList[Any]) -> Any:
    """Return a type for a code of a list, as it stands today."""

    def check(value: str) -> str:
        if listed.get(value) is None:
            raise ExpectedError(f"một mã của danh sách {listed.name}", f"a code of the list {listed.name}")
        return value

    return Annotated[str, StringConstraints(max_length=64), AfterValidator(check)]


Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Line = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Narrative = Annotated[str, StringConstraints(min_length=1, max_length=20_000)]
CountryCode = code_of(codes.countries)
ComplaintCode = code_of(codes.complaint_types)
LanguageCode = code_of(codes.languages)
OfficeCode = code_of(codes.offices)
ProvinceCode = code_of(codes.provinces)
SexCode = code_of(codes.sexes)
