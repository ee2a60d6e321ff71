"""An amount of money with its currency, as every service shows and stores it."""

import re
from decimal import Decimal
from functools import cache
from typing import Annotated, Any

import pycountry
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

AMOUNT_PATTERN = r"^-?[0-9]{1,16}(\.[0-9]{1,4})?$"
"""What NUMERIC(20,4) holds, written without exponent."""
CURRENCY_PATTERN = "^[A-Z]{3}$"

_AMOUNT = re.compile(AMOUNT_PATTERN)


def plain(amount: Decimal) -> str:
    """Return the amount without exponent and idle zeros: what the database gives back reads as it was sent."""
    text = format(amount, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def _amount(value: Any) -> Decimal:
    """Accept a string or a Decimal: a JSON number has passed through binary floating point somewhere."""
    text = plain(value) if isinstance(value, Decimal) else value
    if not isinstance(text, str) or not _AMOUNT.fullmatch(text):
        raise PydanticCustomError("money_amount", "a plain decimal string with at most 16 + 4 digits is expected")
    return Decimal(text)


@cache
def currencies() -> frozenset[str]:
    """Return the alphabetic codes of ISO 4217."""
    return frozenset(currency.alpha_3 for currency in pycountry.currencies)


def _currency(code: str) -> str:
    if code not in currencies():
        raise PydanticCustomError("money_currency", "an ISO 4217 code is expected")
    return code


Amount = Annotated[
    Decimal,
    BeforeValidator(_amount),
    PlainSerializer(plain, return_type=str),
    WithJsonSchema({"type": "string", "pattern": AMOUNT_PATTERN, "examples": ["190000000"]}),
]
Currency = Annotated[
    str,
    AfterValidator(_currency),
    WithJsonSchema({"type": "string", "pattern": CURRENCY_PATTERN, "examples": ["VND"]}),
]


class Money(BaseModel):
    """`{"amount": "190000000", "currency": "VND"}`: an exact amount in units of an ISO 4217 currency."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    amount: Amount
    currency: Currency
