"""A person's details open for that person, that field and that service only, and for nobody once she is erased."""

import threading
from collections.abc import Iterator
from itertools import permutations
from uuid import UUID

import pytest
from cryptography.exceptions import InvalidTag
from sqlalchemy import func, select, text
from sqlmodel import Session

from services.intake.models import Person
from shared.clock import now
from shared.crypto import Vault
from shared.db import make_engine
from shared.errors import PersonErased
from shared.ids import new_id
from shared.people import erase, index_name, open_sealed, seal, unlock, with_name
from shared.runtime import Act, Runtime
from shared.tables import name_token, person_key
from tests.harness import House, new_key

FIELD = "hotline_case.narrative"
PERSON, OTHER = new_id(), new_id()
NAME = "Nguyễn Thị Hằng"


@pytest.fixture
def session(house: House) -> Iterator[Session]:
    """A transaction of the hotline."""
    with house.session("hotline") as opened:
        yield opened


@pytest.fixture
def office(house: House) -> Iterator[Session]:
    """A transaction of intake, which finds people by their names."""
    with house.session("intake") as opened:
        yield opened


def name(session: Session, scope: str, person: UUID, text: str) -> None:
    """Make a person findable, and her row where there is none."""
    if session.get(Person, person) is None:
        session.add(Person(id=person, office="office-a", province="01"))
        session.flush()
    index_name(session, scope, Person, person, text)


def with_vault(runtime: Runtime, vault: Vault) -> Session:
    """Open a session of the same database under other keys."""
    rekeyed = Runtime(vault.service, runtime.settings, runtime.engine, vault)
    return rekeyed.session(Act("test", "test", "test"))


def found(session: Session, words: str, *scopes: str) -> set[UUID]:
    people, values = with_name(session, select(name_token.c.id), scopes or ("cases",), name_token.c.seq, words)
    return set(session.connection().execute(people, values).scalars())


def test_a_sealed_value_opens_for_its_person_and_field(session: Session) -> None:
    blob = seal(session, PERSON, FIELD, NAME)

    assert blob is not None
    assert NAME.encode() not in blob
    assert open_sealed(session, PERSON, FIELD, blob) == NAME


def test_nothing_sealed_is_nothing_opened(session: Session) -> None:
    assert seal(session, PERSON, FIELD, None) is None
    assert open_sealed(session, PERSON, FIELD, None) is None
    assert session.connection().execute(select(func.count()).select_from(person_key)).scalar_one() == 0


def test_a_value_moved_to_another_person_or_field_does_not_open(session: Session) -> None:
    blob = seal(session, PERSON, FIELD, NAME)
    seal(session, OTHER, FIELD, "another")

    for person, field in ((OTHER, FIELD), (PERSON, "hotline_case.caller")):
        with pytest.raises(InvalidTag):
            open_sealed(session, person, field, blob)


def test_a_value_of_a_person_nobody_knows_opens_to_nothing(session: Session) -> None:
    blob = seal(session, PERSON, FIELD, NAME)

    assert open_sealed(session, OTHER, FIELD, blob) is None


def test_an_altered_value_does_not_open(session: Session) -> None:
    blob = seal(session, PERSON, FIELD, NAME)
    assert blob is not None

    for place in range(len(blob)):
        altered = blob[:place] + bytes([blob[place] ^ 1]) + blob[place + 1 :]
        with pytest.raises(InvalidTag):
            open_sealed(session, PERSON, FIELD, altered)


def test_a_value_moved_to_another_service_does_not_open_even_with_the_same_keys(house: House, session: Session) -> None:
    blob = seal(session, PERSON, FIELD, NAME)
    data_keys = session.info["data_keys"]
    session.commit()
    vault = house.runtime("hotline").vault
    elsewhere = Vault("intake", vault.service_keys, vault.search_keys, vault.link_keys)

    with with_vault(house.runtime("hotline"), elsewhere) as other, pytest.raises(InvalidTag):
        open_sealed(other, PERSON, FIELD, blob)
    with with_vault(house.runtime("hotline"), elsewhere) as other:
        other.info["data_keys"] = data_keys
        with pytest.raises(InvalidTag):
            open_sealed(other, PERSON, FIELD, blob)


def test_a_wrapped_data_key_moved_to_another_person_does_not_open(session: Session) -> None:
    blob = seal(session, PERSON, FIELD, NAME)
    seal(session, OTHER, FIELD, "another")
    move = text("UPDATE person_key SET wrapped = (SELECT wrapped FROM person_key WHERE person_id = :one) ")
    session.connection().execute(move, {"one": PERSON})
    session.info.pop("data_keys")

    with pytest.raises(InvalidTag):
        open_sealed(session, OTHER, FIELD, blob)


def test_what_was_sealed_before_the_service_key_rotated_opens_after_it(house: House) -> None:
    old, new = new_key().encode()[:32], new_key().encode()[:32]
    runtime = house.runtime("hotline")
    with with_vault(runtime, Vault("hotline", {"k1": old})) as session:
        before = seal(session, PERSON, FIELD, NAME)
        session.commit()

    with with_vault(runtime, Vault("hotline", {"k2": new, "k1": old})) as session:
        opened = open_sealed(session, PERSON, FIELD, before)
        after = seal(session, PERSON, FIELD, "more")
        seal(session, OTHER, FIELD, "another")
        session.commit()

    with with_vault(runtime, Vault("hotline", {"k2": new})) as session:
        assert opened == NAME
        assert open_sealed(session, OTHER, FIELD, seal(session, OTHER, FIELD, "new")) == "new"
        with pytest.raises(LookupError):
            open_sealed(session, PERSON, FIELD, after)


def test_a_list_of_people_is_unlocked_with_one_query(house: House, session: Session) -> None:
    people = [new_id() for _ in range(30)]
    blobs = [seal(session, person, FIELD, str(number)) for number, person in enumerate(people)]
    session.commit()

    with house.session("hotline") as reading:
        unlock(reading, people)
        known = dict(reading.info["data_keys"])
        opened = [open_sealed(reading, person, FIELD, blob) for person, blob in zip(people, blobs, strict=True)]

    assert set(known) == set(people)
    assert opened == [str(number) for number in range(30)]


def test_a_name_is_found_by_its_syllables_in_any_order_with_or_without_diacritics(office: Session) -> None:
    name(office, "cases", PERSON, NAME)
    name(office, "cases", OTHER, "Trần Văn Đức")
    office.commit()

    for words in (NAME, "nguyen thi hang", "NGUYỄN thi Hang"):
        for order in permutations(words.split()):
            assert found(office, " ".join(order)) == {PERSON}
            assert found(office, " ".join(order[:2])) == {PERSON}
    assert found(office, "duc tran") == {OTHER}


def test_a_name_is_found_by_the_start_of_a_syllable_and_within_its_scope_only(office: Session) -> None:
    name(office, "office:a", PERSON, NAME)
    name(office, "office:a", PERSON, NAME)
    name(office, "office:b", OTHER, NAME)
    office.commit()

    assert found(office, "hằ", "office:a") == {PERSON}
    assert found(office, "ngu th", "office:a", "office:b") == {PERSON, OTHER}
    assert found(office, "hang", "office:c") == set()
    assert found(office, "hang lan", "office:a") == set()


def test_a_name_without_a_letter_is_not_indexed(office: Session) -> None:
    name(office, "cases", PERSON, "…")
    office.commit()

    assert office.connection().execute(select(name_token)).all() == []


def test_no_part_of_a_name_lies_in_the_search_table(office: Session) -> None:
    name(office, "cases", PERSON, NAME)
    office.commit()

    rows = office.connection().execute(select(name_token)).all()

    assert len(rows) > 3
    assert "hang" not in str(rows).lower()


def test_after_erasure_nothing_opens_nothing_is_found_and_nothing_more_is_sealed(house: House) -> None:
    with house.session("intake") as session:
        blob = seal(session, PERSON, FIELD, NAME)
        name(session, "cases", PERSON, NAME)
        session.commit()

    with house.session("intake") as session:
        erase(session, PERSON)
        within = open_sealed(session, PERSON, FIELD, blob)
        session.commit()

    with house.session("intake") as session:
        assert within is None
        assert open_sealed(session, PERSON, FIELD, blob) is None
        assert found(session, "hang") == set()
        with pytest.raises(PersonErased):
            seal(session, PERSON, FIELD, "again")
    (row,) = house.rows("intake", person_key)
    assert row["wrapped"] is None
    assert row["erased_at"] <= now()


def test_erasing_someone_who_never_had_a_key_keeps_anyone_from_sealing_later(session: Session) -> None:
    erase(session, PERSON)

    with pytest.raises(PersonErased):
        seal(session, PERSON, FIELD, NAME)


def test_erasing_twice_is_erasing_once(session: Session) -> None:
    seal(session, PERSON, FIELD, NAME)

    erase(session, PERSON)
    erase(session, PERSON)

    assert open_sealed(session, PERSON, FIELD, b"x" * 40) is None


@pytest.mark.parametrize("first_commits", [True, False])
def test_two_transactions_that_seal_for_a_new_person_at_once_agree_on_one_key(
    house: House, *, first_commits: bool
) -> None:
    sealed: list[bytes | None] = []

    def second() -> None:
        with house.session("hotline") as session:
            sealed.append(seal(session, PERSON, FIELD, "second"))
            session.commit()

    with house.session("hotline") as first:
        ours = seal(first, PERSON, FIELD, "first")
        thread = threading.Thread(target=second)
        thread.start()
        wait_until_one_waits(house)
        (first.commit if first_commits else first.rollback)()
    thread.join(timeout=30)

    with house.session("hotline") as session:
        assert open_sealed(session, PERSON, FIELD, sealed[0]) == "second"
        if first_commits:
            assert open_sealed(session, PERSON, FIELD, ours) == "first"


def wait_until_one_waits(house: House) -> None:
    """Return when another transaction of this database waits for a lock."""
    engine = make_engine(house.url("hotline"), pool_size=1)
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    with engine.connect() as connection:
        while not connection.execute(waiting).scalar_one():
            connection.rollback()
    engine.dispose()
