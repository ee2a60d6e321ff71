"""Sealed under one key for one purpose: moved or altered it does not open, and rotated keys still do."""

import secrets

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st

from shared.crypto import Vault, fingerprint

OLD, NEW, OTHER = (secrets.token_bytes(32) for _ in range(3))
SEARCH, LINK = secrets.token_bytes(32), secrets.token_bytes(32)
BEFORE = Vault("hotline", {"k1": OLD}, {"k1": SEARCH}, {"k1": LINK})
AFTER = Vault("hotline", {"k2": NEW, "k1": OLD}, {"k1": SEARCH}, {"k1": LINK})


@given(text=st.binary(max_size=100), bound_to=st.binary(max_size=20))
def test_what_is_sealed_opens_for_the_same_purpose_and_binding(text: bytes, bound_to: bytes) -> None:
    assert BEFORE.decrypt("answer", BEFORE.encrypt("answer", text, bound_to), bound_to) == text


def test_the_same_text_is_never_sealed_the_same_way_twice() -> None:
    assert len({BEFORE.encrypt("answer", b"text") for _ in range(50)}) == 50


@given(place=st.integers(min_value=3), change=st.integers(min_value=1, max_value=255))
def test_no_altered_byte_opens(place: int, change: int) -> None:
    blob = bytearray(BEFORE.encrypt("answer", b"text"))
    blob[max(3, place % len(blob))] ^= change

    with pytest.raises(InvalidTag):
        BEFORE.decrypt("answer", bytes(blob))


@pytest.mark.parametrize(
    ("vault", "purpose", "bound_to"),
    [
        (BEFORE, "person-key", b"a"),
        (BEFORE, "answer", b"b"),
        (Vault("intake", {"k1": OLD}), "answer", b"a"),
        (Vault("hotline", {"k1": OTHER}), "answer", b"a"),
    ],
    ids=["purpose", "binding", "service", "key"],
)
def test_what_was_moved_does_not_open(vault: Vault, purpose: str, bound_to: bytes) -> None:
    blob = BEFORE.encrypt("answer", b"text", b"a")

    with pytest.raises(InvalidTag):
        vault.decrypt(purpose, blob, bound_to)


def test_a_cut_off_blob_does_not_open() -> None:
    blob = BEFORE.encrypt("answer", b"text")

    for length in range(3, len(blob)):
        with pytest.raises((InvalidTag, ValueError)):
            BEFORE.decrypt("answer", blob[:length])


def test_what_was_sealed_before_a_rotation_opens_after_it() -> None:
    assert AFTER.decrypt("answer", BEFORE.encrypt("answer", b"text")) == b"text"


def test_after_a_rotation_the_new_key_seals() -> None:
    assert AFTER.encrypt("answer", b"text").startswith(b"k2\x00")
    with pytest.raises(LookupError):
        BEFORE.decrypt("answer", AFTER.encrypt("answer", b"text"))


def test_a_mac_of_before_a_rotation_is_still_known_after_it() -> None:
    assert BEFORE.mac("content", b"a") in AFTER.macs("content", b"a")
    assert AFTER.mac("content", b"a") not in BEFORE.macs("content", b"a")


def test_a_mac_tells_parts_and_purposes_apart() -> None:
    different = [
        BEFORE.mac("content", b"ab", b"c"),
        BEFORE.mac("content", b"a", b"bc"),
        BEFORE.mac("content", b"abc"),
        BEFORE.mac("content", b"abc", b""),
        BEFORE.mac("cursor", b"abc"),
        Vault("intake", {"k1": OLD}).mac("content", b"abc"),
    ]

    assert len(set(different)) == len(different)


def test_a_pseudonym_is_the_same_in_every_service_that_holds_the_link_key() -> None:
    elsewhere = Vault("registry", {"k9": OTHER}, {"k1": secrets.token_bytes(32)}, {"k1": LINK})

    pseudonym = BEFORE.pseudonym("passport", "B1234567")

    assert pseudonym == AFTER.pseudonym("passport", "B1234567") == elsewhere.pseudonym("passport", "B1234567")
    assert pseudonym.startswith("k1.")
    assert len(pseudonym) == 3 + 64
    assert "1234567" not in pseudonym


def test_another_number_document_or_link_key_makes_another_pseudonym() -> None:
    another = Vault("hotline", {"k1": OLD}, {"k1": SEARCH}, {"k1": OTHER})
    different = {
        BEFORE.pseudonym("passport", "B1234567"),
        BEFORE.pseudonym("passport", "B1234568"),
        BEFORE.pseudonym("cccd", "B1234567"),
        another.pseudonym("passport", "B1234567"),
    }

    assert len(different) == 4


def test_a_blind_index_outlives_the_rotation_of_service_keys_and_tells_indexes_apart() -> None:
    assert BEFORE.blind("phone", "+84912345678") == AFTER.blind("phone", "+84912345678")
    assert BEFORE.blind("phone", "1") != BEFORE.blind("document", "1")
    assert BEFORE.token("hang") == AFTER.token("hang")
    assert -(2**63) <= BEFORE.token("hang") < 2**63


def test_what_was_made_under_either_search_or_link_key_is_looked_for_under_both_the_current_one_first() -> None:
    both = Vault("hotline", {"k1": OLD}, {"k2": NEW, "k1": SEARCH}, {"k2": OTHER, "k1": LINK})

    assert both.blinds("phone", "1") == [both.blind("phone", "1"), BEFORE.blind("phone", "1")]
    assert both.tokens("hang") == [both.token("hang"), BEFORE.token("hang")]
    assert both.pseudonyms("id", "1") == {"k2": both.pseudonym("id", "1"), "k1": BEFORE.pseudonym("id", "1")}
    assert both.current_search == "k2"


def test_a_key_is_told_from_another_that_bears_its_id_and_from_itself_in_another_ring() -> None:
    same = Vault("x", {"k1": OLD}, {"k1": OLD}, {"k1": OLD})
    values = [same.check_value(kind, "k1") for kind in ("service", "search", "link")]

    assert BEFORE.check_value("service", "k1") == values[0]
    assert len({*values, BEFORE.check_value("search", "k1")}) == 4
    assert OLD not in values


def test_a_service_without_search_or_link_keys_says_so() -> None:
    bare = Vault("referral", {"k1": OLD})

    for use in (lambda: bare.blind("phone", "1"), lambda: bare.token("hang"), lambda: bare.pseudonym("cccd", "1")):
        with pytest.raises(LookupError):
            use()


def test_keys_do_not_show_where_a_vault_is_printed() -> None:
    assert "hotline" not in repr(BEFORE)
    assert repr(OLD) not in repr(BEFORE)


def test_a_fingerprint_is_the_same_for_the_same_text_only() -> None:
    assert fingerprint("token") == fingerprint("token") != fingerprint("Token")
    assert len(fingerprint("token")) == 32
