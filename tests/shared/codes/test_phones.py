"""Phone numbers are stored in one form or not at all."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.codes.phones import normalise


@pytest.mark.parametrize(
    ("text", "region", "stored"),
    [
        ("0981 84 84 84", "VN", "+84981848484"),
        ("+84 981 84 84 84", "TW", "+84981848484"),
        ("84981848484", "VN", "+84981848484"),
        ("+84 (2)4 62 844 844", "VN", "+842462844844"),
        ("0912 345 678", "TW", "+886912345678"),
        ("090-1234-5678", "JP", "+819012345678"),
    ],
)
def test_a_number_is_stored_with_its_country(text: str, region: str, stored: str) -> None:
    assert normalise(text, region) == stored


def test_viet_nam_is_the_region_unless_said_otherwise() -> None:
    assert normalise("0981848484") == "+84981848484"


@pytest.mark.parametrize("text", ["", "12", "0081848484", "0981848484 mẹ", "098ABCDEFG", "1" * 41, "+84"])
def test_what_is_no_number_is_not_guessed(text: str) -> None:
    assert normalise(text) is None


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="0123456789+-() .٠١xX;=", max_size=45), st.sampled_from(["VN", "JP", "TW", "??"]))
def test_any_text_gives_a_settled_number_or_none(text: str, region: str) -> None:
    stored = normalise(text, region)

    assert stored is None or (re.fullmatch(r"\+[0-9]{6,15}", stored) and normalise(stored) == stored)
