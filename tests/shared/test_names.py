"""Every name is found by any of its syllables, in any order, with or without diacritics."""

import unicodedata
from typing import Literal, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.names import PREFIX_MARK, fold, query_terms, search_terms, syllables

SYLLABLES = [
    *(
        "Nguyễn",
        "Trần",
        "Phạm",
        "Hoàng",
        "Huỳnh",
        "Võ",
        "Đặng",
        "Bùi",
        "Đỗ",
        "Hồ",
        "Ngô",
        "Dương",
        "Lý",
        "Ý",
        "Ỷ",
        "An",
    ),
    *("Thị", "Văn", "Hằng", "Đào", "Nghiêng", "Phượng", "Trường", "Quỳnh", "Như", "Yến", "Kpă", "H'Hen", "Ánh", "Mỹ"),
]
NAMES = st.lists(st.sampled_from(SYLLABLES), min_size=2, max_size=6)
Form = Literal["NFC", "NFD", "NFKC", "NFKD"]
FORMS: st.SearchStrategy[Form] = st.sampled_from(get_args(Form))


def found(name: str, text: str) -> bool:
    """Say whether a search would return the name: all terms of the text are among those it is stored under."""
    return query_terms(text) <= search_terms(name)


@settings(max_examples=100, deadline=None)
@given(NAMES, FORMS, FORMS, st.booleans(), st.data())
def test_a_name_is_found_by_any_subset_of_its_syllables_in_any_order(
    name: list[str], stored: Form, typed: Form, bare: bool, data: st.DataObject
) -> None:
    size = data.draw(st.integers(1, len(name)))
    chosen = data.draw(st.permutations(name))[:size]

    text = unicodedata.normalize(typed, " ".join(chosen))
    text = fold(text) if bare else data.draw(st.sampled_from([text, text.upper(), text.lower()]))

    assert found(unicodedata.normalize(stored, " ".join(name)), text)


@settings(max_examples=100, deadline=None)
@given(NAMES, st.sampled_from(SYLLABLES), st.integers(2, 4))
def test_the_first_letters_of_a_syllable_find_it(name: list[str], syllable: str, length: int) -> None:
    start = syllables(syllable)[0][:length]

    assert len(start) == 1 or found(" ".join([*name, syllable]), start)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40), FORMS)
def test_folding_is_settled_after_once_and_blind_to_the_unicode_form(text: str, form: Form) -> None:
    folded = fold(text)

    assert fold(folded) == folded
    assert fold(unicodedata.normalize(form, text)) == folded
    assert folded == " ".join(folded.split())
    assert PREFIX_MARK not in folded


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_found_by_itself(text: str) -> None:
    assert found(text, text)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("NGUYỄN Thị-Đào", "nguyen thi dao"),
        ("Ðặng Văn Ơn", "dang van on"),  # the Icelandic letter some keyboards give
        ("  H'Hen_Niê.  ", "h hen nie"),
        ("Trần\u200b Văn", "tran van"),
        ("", ""),
    ],
)
def test_folding_takes_off_marks_case_and_punctuation(text: str, folded: str) -> None:
    assert fold(text) == folded


def test_a_start_is_distinct_from_a_whole_syllable() -> None:
    assert search_terms("Nguyễn Y") == {"nguyen", "ng*", "ngu*", "nguy*", "y"}
    assert query_terms("ngu") == {"ngu*"}
    assert query_terms("nguyen y") == {"nguyen", "y"}


def test_a_short_word_finds_the_whole_syllable_and_longer_ones() -> None:
    assert found("Lê Văn An", "an")
    assert found("Lê Văn Anh", "an")
    assert not found("Lê Văn An", "anh")


def test_a_word_of_five_letters_is_looked_up_whole() -> None:
    assert query_terms("nguye") == {"nguye"}
    assert not found("Nguyễn Văn An", "nguye")


def test_another_name_is_not_found() -> None:
    assert not found("Trần Thị Hằng", "nguyen hang")
