"""Identity numbers are checked softly: an error of a record must not shut a person out."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared import codes
from shared.codes.identity_numbers import IdCheck, IdKind, IdWarning, check_cccd, check_passport, normalise

HANOI_WOMAN_OF_1990 = "001190123456"


def test_a_number_that_agrees_with_the_record_has_no_warning() -> None:
    check = check_cccd(HANOI_WOMAN_OF_1990, sex="female", birth_year=1990)

    assert check == IdCheck(valid=True, warnings=(), kind=IdKind.CCCD)


def test_another_sex_or_year_is_a_warning_and_no_rejection() -> None:
    check = check_cccd(HANOI_WOMAN_OF_1990, sex="male", birth_year=1991)

    assert check.valid
    assert check.warnings == (IdWarning.SEX_MISMATCH, IdWarning.BIRTH_YEAR_MISMATCH)


@pytest.mark.parametrize("sex", [None, "other", "unknown"])
def test_a_sex_the_number_cannot_express_is_not_compared(sex: str | None) -> None:
    assert check_cccd(HANOI_WOMAN_OF_1990, sex=sex).warnings == ()


@pytest.mark.parametrize(
    ("digit", "sex", "year"),
    [("0", "male", 1905), ("1", "female", 1905), ("2", "male", 2005), ("3", "female", 2005)],
)
def test_the_fourth_digit_gives_century_and_sex(digit: str, sex: str, year: int) -> None:
    assert check_cccd(f"034{digit}05000001", sex=sex, birth_year=year).warnings == ()


def test_a_birth_after_2099_is_a_warning() -> None:
    assert check_cccd("001405000001").warnings == (IdWarning.FUTURE_CENTURY,)


def test_a_prefix_that_was_never_a_province_is_not_valid() -> None:
    assert check_cccd("003190123456") == IdCheck(valid=False, warnings=(IdWarning.UNKNOWN_PREFIX,), kind=IdKind.CCCD)


def test_a_country_code_is_accepted_and_said_to_be_unverified() -> None:
    check = check_cccd("108190123456")

    assert check.valid
    assert check.warnings == (IdWarning.COUNTRY_CODE_UNVERIFIED,)


def test_the_prefix_of_a_dissolved_province_stays_valid_and_new_codes_add_none() -> None:
    assert check_cccd("030190123456").warnings == ()
    assert "30" not in codes.provinces


def test_an_old_card_of_nine_digits_is_another_kind() -> None:
    assert check_cccd("012345678") == IdCheck(valid=True, warnings=(IdWarning.OLD_CMND,), kind=IdKind.CMND)


@pytest.mark.parametrize(
    ("number", "warning"),
    [
        ("", IdWarning.NOT_DIGITS),
        ("00119012345A", IdWarning.NOT_DIGITS),
        ("٠٠١١٩٠١٢٣٤٥٦", IdWarning.NOT_DIGITS),
        ("00119012345", IdWarning.WRONG_LENGTH),
        ("0011901234567", IdWarning.WRONG_LENGTH),
    ],
)
def test_what_is_no_identity_number_is_refused(number: str, warning: str) -> None:
    assert check_cccd(number) == IdCheck(valid=False, warnings=(warning,))


def test_separators_do_not_matter() -> None:
    assert normalise(" 001 190-123.456 ") == HANOI_WOMAN_OF_1990
    assert check_cccd("001 190-123.456").valid


@pytest.mark.parametrize("number", ["C1234567", "p12345678", "B 123 4567"])
def test_a_usual_passport_number_has_no_warning(number: str) -> None:
    assert check_passport(number) == IdCheck(valid=True, warnings=(), kind=IdKind.PASSPORT)


def test_an_unusual_passport_number_only_warns() -> None:
    assert check_passport("12AB") == IdCheck(
        valid=True, warnings=(IdWarning.PASSPORT_FORMAT_UNUSUAL,), kind=IdKind.PASSPORT
    )


def test_nothing_is_no_passport_number() -> None:
    assert check_passport(" -. ") == IdCheck(valid=False, warnings=(IdWarning.PASSPORT_EMPTY,))


def test_every_warning_has_its_sentences() -> None:
    assert {row.code for row in codes.identity_warnings.all()} == set(IdWarning)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=20), st.sampled_from([None, "female", "male", "nonsense"]), st.none() | st.integers())
def test_any_text_gets_an_answer(number: str, sex: str | None, year: int | None) -> None:
    assert isinstance(check_cccd(number, sex, year), IdCheck)
    assert isinstance(check_passport(number), IdCheck)


@settings(max_examples=100, deadline=None)
@given(st.from_regex(r"[0-9]{12}", fullmatch=True), st.sampled_from(["female", "male"]), st.integers(1900, 2030))
def test_sex_and_year_never_decide_validity(number: str, sex: str, year: int) -> None:
    assert check_cccd(number, sex, year).valid == check_cccd(number).valid
