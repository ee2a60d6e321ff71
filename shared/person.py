"""A person's details as three services take them; all of it may be unknown, for nobody is turned away for lack of a paper."""

from datetime import date
from types import MappingProxyType
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, model_validator

from shared.clock import today
from shared.codes.identity_numbers import IdKind, check_cccd, check_passport, normalise
from shared.codes.phones import normalise as normalise_phone
from shared.crypto import Vault
from shared.schema import Input, Name, SexCode
from shared.validation import ExpectedError

EARLIEST_BIRTH = date(1900, 1, 1)
LINKED_AS: MappingProxyType[IdKind, str] = MappingProxyType(
    {IdKind.CCCD: "id", IdKind.CMND: "id", IdKind.PASSPORT: "passport"}
)
"""Identity numbers old (9 digits) and new (12 digits) are one kind of document: which card it was is often recorded wrong."""


def _phone(text: str) -> str:
    number = normalise_phone(text)
    if number is None:
        raise ExpectedError(
            "số điện thoại hợp lệ; số nước ngoài bắt đầu bằng + và mã nước",
            "a valid phone number; one abroad begins with + and the country code",
        )
    return number


def _birth(day: date) -> date:
    if not EARLIEST_BIRTH <= day <= today():
        raise ExpectedError("ngày sinh từ 1900-01-01 đến hôm nay", "a date of birth from 1900-01-01 to today")
    return day


Phone = Annotated[str, StringConstraints(max_length=40), AfterValidator(_phone)]
"""Stored as E.164."""
BirthDate = Annotated[date, AfterValidator(_birth)]


class PersonDetails(Input):
    """Who someone is, as far as known."""

    name: Name | None = None
    born_on: BirthDate | None = None
    sex: SexCode | None = None
    document: IdKind | None = None
    document_number: Annotated[str, StringConstraints(max_length=40)] | None = None
    phone: Phone | None = None

    @model_validator(mode="after")
    def _document_is_whole(self) -> Self:
        """A number needs its kind; a number that cannot be one is refused, an odd one is not (it warns elsewhere)."""
        if (self.document is None) != (self.document_number is None):
            raise ExpectedError("document và document_number đi cùng nhau", "document and document_number together")
        if self.document is None or self.document_number is None:
            return self
        check = check_passport if self.document is IdKind.PASSPORT else check_cccd
        if not check(self.document_number).valid:
            raise ExpectedError(
                "document_number: CCCD 12 chữ số, CMND 9 chữ số, hoặc số hộ chiếu",
                "document_number: 12 digits (CCCD), 9 digits (CMND), or a passport number",
            )
        return self

    @property
    def number(self) -> str | None:
        """The document number as it is looked up."""
        return normalise(self.document_number) if self.document_number else None


class StoredPerson(BaseModel):
    """The same details as they come back from a seal: rules of today do not judge what was stored yesterday."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str | None = None
    born_on: date | None = None
    sex: str | None = None
    document: IdKind | None = None
    document_number: str | None = None
    phone: str | None = None


def pseudonym_of(vault: Vault, document: IdKind, number: str) -> str:
    """Return the pseudonym under which services speak of the holder of a document; LookupError without a link key."""
    return vault.pseudonym(LINKED_AS[document], normalise(number))


def blind_of(vault: Vault, document: IdKind, number: str, key_id: str | None = None) -> bytes:
    """Return the blind index by which a service finds the holder of a document in its own tables."""
    return vault.blind("document", f"{LINKED_AS[document]}:{normalise(number)}", key_id)


def pseudonyms_of(vault: Vault, document: IdKind, number: str) -> dict[str, str]:
    """Return the pseudonyms of the holder of a document under every link key, by key id, the current one first."""
    return vault.pseudonyms(LINKED_AS[document], normalise(number))


def blinds_of(vault: Vault, document: IdKind, number: str) -> list[bytes]:
    """Return the blind indexes to look a document up by, under every search key."""
    return vault.blinds("document", f"{LINKED_AS[document]}:{normalise(number)}")
