"""Ids are in order of time; references are read out over the telephone, and a slip of the tongue is caught."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.ids import REFERENCE_ALPHABET, REFERENCE_LENGTH, is_reference, new_id, new_reference

REFERENCES = st.builds(new_reference)
PLACES = st.integers(min_value=0, max_value=REFERENCE_LENGTH)


def compact(reference: str) -> str:
    return reference.replace("-", "")


def test_ids_are_version_7_and_in_order_of_time() -> None:
    first = new_id()
    time.sleep(0.002)
    second = new_id()

    assert first.version == second.version == 7
    assert first < second


def test_many_ids_are_many() -> None:
    assert len({new_id() for _ in range(10_000)}) == 10_000


@given(reference=REFERENCES)
def test_every_new_reference_is_one_and_avoids_what_is_misheard(reference: str) -> None:
    assert is_reference(reference)
    assert len(reference) == 11
    assert not set(compact(reference)) & set("01ILO*")


@given(reference=REFERENCES)
def test_dashes_spaces_and_case_do_not_count(reference: str) -> None:
    assert is_reference(compact(reference).lower())
    assert is_reference(" ".join(compact(reference)))


@settings(max_examples=300)
@given(reference=REFERENCES, place=PLACES, other=st.sampled_from(REFERENCE_ALPHABET))
def test_one_wrong_character_is_caught(reference: str, place: int, other: str) -> None:
    text = compact(reference)
    wrong = text[:place] + other + text[place + 1 :]

    assert is_reference(wrong) == (wrong == text)


@settings(max_examples=300)
@given(reference=REFERENCES, place=st.integers(min_value=0, max_value=REFERENCE_LENGTH - 1))
def test_two_swapped_neighbours_are_caught(reference: str, place: int) -> None:
    text = compact(reference)
    swapped = text[:place] + text[place + 1] + text[place] + text[place + 2 :]

    assert is_reference(swapped) == (swapped == text)


@pytest.mark.parametrize(
    "text", ["", "-", "7K3Q", "7K3Q-XM4P-TT", "0000-0000-0", "ÀÁÂÃ-ÈÉÊẾ-Ì", "7K3Q-XM4P-*", "\x00" * 9]
)
def test_what_has_not_the_form_is_no_reference(text: str) -> None:
    assert not is_reference(text)
