"""Checks of identity and passport numbers that warn where a person may have been recorded in error."""

import re
from dataclasses import dataclass
from enum import StrEnum

from shared.codes.lists import identity_prefixes

CCCD_LENGTH = 12
CMND_LENGTH = 9
FIRST_POSSIBLE_COUNTRY_CODE = 97
"""Provinces end at 096. The list of country codes has not been read, so any later prefix may be one of them."""
FIRST_FUTURE_CENTURY = 4
"""From this digit on a number says its holder was born in 2100 or later."""

_SEPARATORS = re.compile(r"[\s.\-]+")
_PASSPORT = re.compile(r"[A-Z][0-9]{7,8}")


class IdKind(StrEnum):
    """The kinds of papers whose numbers are told apart."""

    CCCD = "cccd"
    CMND = "cmnd"
    PASSPORT = "passport"


class IdWarning(StrEnum):
    """What a check may say; sentences for each stand in `codes.identity_warnings`."""

    BIRTH_YEAR_MISMATCH = "birth_year_mismatch"
    COUNTRY_CODE_UNVERIFIED = "country_code_unverified"
    FUTURE_CENTURY = "future_century"
    NOT_DIGITS = "not_digits"
    OLD_CMND = "old_cmnd"
    PASSPORT_EMPTY = "passport_empty"
    PASSPORT_FORMAT_UNUSUAL = "passport_format_unusual"
    SEX_MISMATCH = "sex_mismatch"
    UNKNOWN_PREFIX = "unknown_prefix"
    WRONG_LENGTH = "wrong_length"


@dataclass(frozen=True, slots=True)
class IdCheck:
    """The result of a check; a warning beside `valid=True` is for an officer to look at, never a reason to refuse."""

    valid: bool
    warnings: tuple[str, ...] = ()
    kind: IdKind | None = None


def normalise(number: str) -> str:
    """Return the number as it is stored and looked up: no spaces, dots or hyphens, capital letters."""
    return _SEPARATORS.sub("", number).upper()


def check_cccd(number: str, sex: str | None = None, birth_year: int | None = None) -> IdCheck:
    """Check a personal identity number of 12 digits; an old card number of 9 digits passes as its own kind.

    Decree 137/2015 Article 13: three digits of the place where the birth was registered (one of the 63 provinces of
    that time, or a country code), one of century and sex, two of the year of birth, six random; no check digit.
    `sex` is a code of `codes.sexes`. Sex and birth year that differ are warnings: both are corrected in real lives.
    """
    digits = normalise(number)
    if not (digits.isascii() and digits.isdecimal()):
        return IdCheck(valid=False, warnings=(IdWarning.NOT_DIGITS,))
    if len(digits) == CMND_LENGTH:
        return IdCheck(valid=True, warnings=(IdWarning.OLD_CMND,), kind=IdKind.CMND)
    if len(digits) != CCCD_LENGTH:
        return IdCheck(valid=False, warnings=(IdWarning.WRONG_LENGTH,))
    warnings = (*_prefix_warnings(digits[:3]), *_holder_warnings(digits, sex, birth_year))
    return IdCheck(valid=IdWarning.UNKNOWN_PREFIX not in warnings, warnings=warnings, kind=IdKind.CCCD)


def check_passport(number: str) -> IdCheck:
    """Check a passport number softly: a letter and 7 or 8 digits is usual in Viet Nam, anything else only warns."""
    written = normalise(number)
    if not any(character.isalnum() for character in written):
        return IdCheck(valid=False, warnings=(IdWarning.PASSPORT_EMPTY,))
    usual = _PASSPORT.fullmatch(written) is not None
    return IdCheck(valid=True, warnings=() if usual else (IdWarning.PASSPORT_FORMAT_UNUSUAL,), kind=IdKind.PASSPORT)


def _prefix_warnings(prefix: str) -> tuple[IdWarning, ...]:
    if prefix in identity_prefixes:
        return ()
    may_be_abroad = int(prefix) >= FIRST_POSSIBLE_COUNTRY_CODE
    return (IdWarning.COUNTRY_CODE_UNVERIFIED if may_be_abroad else IdWarning.UNKNOWN_PREFIX,)


def _holder_warnings(digits: str, sex: str | None, birth_year: int | None) -> tuple[IdWarning, ...]:
    century, is_female = divmod(int(digits[3]), 2)
    year = 1900 + 100 * century + int(digits[4:6])
    found = {
        IdWarning.SEX_MISMATCH: sex in {"female", "male"} and (sex == "female") != bool(is_female),
        IdWarning.BIRTH_YEAR_MISMATCH: birth_year is not None and birth_year != year,
        IdWarning.FUTURE_CENTURY: int(digits[3]) >= FIRST_FUTURE_CENTURY,
    }
    return tuple(warning for warning, applies in found.items() if applies)
