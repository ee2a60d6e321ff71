"""Vietnamese names made findable: without tones, in any order of their syllables."""

import re
import unicodedata

SHORTEST_PREFIX = 2
LONGEST_PREFIX = 4
PREFIX_MARK = "*"
"""Ends a term that stands for the start of a syllable, so that "an*" (a start) is never "an" (a whole syllable)."""

_D_WITH_STROKE = str.maketrans("đð", "dd")
"""Both are typed for đ, and no normal form takes the stroke off."""
_NOT_LETTERS = re.compile(r"[\W_]+")


def fold(text: str) -> str:
    """Return the text in small letters without marks: "NGUYỄN Thị-Đào" becomes "nguyen thi dao".

    Any Unicode form gives the same result, and folding twice changes nothing.
    What is neither letter nor digit becomes one space.
    """
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    bare = "".join(character for character in apart if unicodedata.category(character) not in {"Mn", "Me", "Cf"})
    return unicodedata.normalize("NFC", _NOT_LETTERS.sub(" ", bare.translate(_D_WITH_STROKE)).strip())


def syllables(name: str) -> tuple[str, ...]:
    """Return the folded syllables of a name in their order."""
    return tuple(fold(name).split())


def search_terms(name: str) -> frozenset[str]:
    """Return what a name is stored under: each whole syllable, and its first 2, 3 and 4 letters with a mark behind."""
    whole = set(syllables(name))
    starts = {
        syllable[:length] + PREFIX_MARK
        for syllable in whole
        for length in range(SHORTEST_PREFIX, min(LONGEST_PREFIX, len(syllable)) + 1)
    }
    return frozenset(whole | starts)


def query_terms(text: str) -> frozenset[str]:
    """Return the terms a name must all have to be found by that text.

    A word of 2 to 4 letters is looked up as a start: it then finds "an" and "anh" alike, because a syllable of up to
    four letters is stored as a start of itself. A longer word is looked up whole: it is selective enough, and starts of
    5 and 6 letters would cost two more rows for the few syllables that are longer. One letter is a syllable ("Y").
    """
    return frozenset(
        word + PREFIX_MARK if SHORTEST_PREFIX <= len(word) <= LONGEST_PREFIX else word for word in syllables(text)
    )
