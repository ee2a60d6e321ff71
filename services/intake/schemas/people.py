"""People: searching and reading."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, StringConstraints, model_validator

from shared.codes.identity_numbers import IdKind
from shared.names import syllables
from shared.person import StoredPerson
from shared.schema import Input, Name, Output
from shared.validation import ExpectedError


def _has_syllables(text: str) -> str:
    if not syllables(text):
        raise ExpectedError("tên có ít nhất một chữ cái", "a name with at least one letter")
    return text


class PersonSearch(Input):
    """By name (its syllables in any order, with or without diacritics), by exact document number, or by both."""

    name: Annotated[Name, AfterValidator(_has_syllables)] | None = None
    document: IdKind | None = None
    document_number: Annotated[str, StringConstraints(min_length=1, max_length=40)] | None = None

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if (self.document is None) != (self.document_number is None):
            raise ExpectedError("document và document_number đi cùng nhau", "document and document_number together")
        if self.name is None and self.document is None:
            raise ExpectedError("name hoặc document_number", "name or document_number")
        return self


class PersonRead(Output):
    """A person with her cases that the caller may see; `person` is null where it is not known yet, or was erased."""

    id: UUID
    person: StoredPerson | None
    erased: bool
    case_ids: list[UUID]
