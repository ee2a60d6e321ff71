"""Keys are rotated while people are registered and searched: nobody is lost, and nobody erased comes back."""

import asyncio
import threading
import time

import pytest
from sqlalchemy import text, update
from sqlmodel import select

from services.intake.models import Person
from shared.errors import RequestInFlight
from shared.idempotency import take_key
from shared.keys import rotation as rotating
from shared.tables import name_token, person_key
from tests.intake.world import PERSON, World
from tests.keyring import KeyRing
from tests.registry.arranged import Registry
from tests.shared.keys.busy import Busy, found, person

NUMBER = {"document": PERSON["document"], "document_number": PERSON["document_number"]}
STEPS = (("k1", "k2"), ("k2", "k1"), ("k2",))
"""The documented procedure: add, promote, and once nothing needs it, remove."""


def test_data_keys_are_wrapped_anew_and_the_old_service_key_is_needed_no_more(world: World, ring: KeyRing) -> None:
    cases = [world.register(person=person(number))["id"] for number in range(3)]
    ring.turn("intake", "service", "k2", "k1")

    moved = ring.round("intake")
    again = ring.round("intake")

    needed = ring.findings("intake")["service", "k1"].needed_by
    ring.turn("intake", "service", "k2")
    assert (moved, again) == (3, 0)
    assert list(needed) == ["answers kept for repeats, gone within 24 hours"]
    assert [world.get(f"/cases/{case}").json()["person"]["name"] for case in cases] == [
        f"Nguyễn Thị Số{number}" for number in range(3)
    ]


def test_an_answer_given_under_the_old_service_key_is_repeated_under_the_new_one(world: World, ring: KeyRing) -> None:
    body = {
        "person": PERSON,
        "channel": "walk_in",
        "country": "TW",
        "language": "vi",
        "complaint_types": ["broker_fee"],
    }
    body |= {"narrative": "…", "respondent": "unknown", "received_on": "2026-11-02", "priority": "p2"}
    first = world.post("/cases", body, **{"Idempotency-Key": "one"})
    ring.turn("intake", "service", "k2", "k1")

    repeated = world.post("/cases", body, **{"Idempotency-Key": "one"})

    assert first.status_code == 201, first.text
    assert repeated.json() == first.json()
    assert repeated.headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize(
    ("one", "other"), [(("k1",), ("k1", "k2")), (("k1", "k2"), ("k2", "k1")), (("k2", "k1"), ("k2",))]
)
def test_one_key_taken_by_two_processes_at_neighbouring_steps_is_in_flight_for_the_second(
    world: World, ring: KeyRing, one: tuple[str, ...], other: tuple[str, ...]
) -> None:
    ring.turn("intake", "service", *one)
    with world.house.session("intake") as first:
        take_key(first, None, "one", "/cases", b"body")
        ring.turn("intake", "service", *other)

        with world.house.session("intake") as second, pytest.raises(RequestInFlight):
            take_key(second, None, "one", "/cases", b"body")


@pytest.mark.parametrize("ids", STEPS)
def test_a_person_is_found_at_every_step_of_rotating_the_search_key(
    world: World, ring: KeyRing, ids: tuple[str, ...]
) -> None:
    world.register()
    for step in STEPS[: STEPS.index(ids) + 1]:
        ring.turn("intake", "search", *step)
        before = found(world, name="hang nguyen"), found(world, **NUMBER)
        ring.round("intake")

    after = found(world, name="hang nguyen"), found(world, **NUMBER), found(world, name="hang", **NUMBER)

    assert before == (1, 1)
    assert after == (1, 1, 1)


def test_whoever_is_registered_under_the_new_key_is_known_to_have_the_number_of_one_under_the_old(
    world: World, ring: KeyRing
) -> None:
    world.register()
    ring.turn("intake", "search", "k2", "k1")

    second = world.register()

    assert len(second["same_number"]) == 1


def test_only_tokens_of_the_current_search_key_are_left_when_the_old_one_may_go(world: World, ring: KeyRing) -> None:
    world.register()
    world.register(person={**PERSON, "document": None, "document_number": None})
    before = {row["token"] for row in world.house.rows("intake", name_token)}
    ring.turn("intake", "search", "k2", "k1")

    needed = ring.findings("intake")["search", "k1"].needed_by
    moved = ring.round("intake")

    tokens = {row["token"] for row in world.house.rows("intake", name_token)}
    assert needed == {"people found by name or number": 2}
    assert moved == 2
    assert ring.findings("intake")["search", "k1"].spare
    assert not tokens & before
    assert len(tokens) == len(before)


def test_people_indexed_before_keys_had_ids_are_indexed_anew_and_keep_every_older_key_until_then(
    world: World, ring: KeyRing
) -> None:
    world.register()
    with world.house.runtime("intake").engine.begin() as connection:
        connection.execute(update(person_key).values(search_key=None))
    ring.turn("intake", "search", "k2", "k1")

    kept = ring.findings("intake")["search", "k1"]
    moved = ring.round("intake")

    assert not kept.spare
    assert moved == 1
    assert ring.findings("intake")["search", "k1"].spare


def test_a_search_key_that_was_lost_is_made_up_for_from_what_is_sealed(world: World, ring: KeyRing) -> None:
    world.register()
    ring.round("intake")
    ring.turn("intake", "search", "k2")

    lost = ring.missing("intake")
    found_before = found(world, name="hang")
    ring.round("intake")

    assert lost == [("search", "k1")]
    assert (found_before, found(world, name="hang"), ring.missing("intake")) == (0, 1, [])


def test_someone_erased_while_being_indexed_anew_does_not_come_back(world: World, ring: KeyRing) -> None:
    case = world.register()
    world.closed(case["id"])
    with world.house.session("intake") as session:
        person_id = session.exec(select(Person.id)).one()
    ring.turn("intake", "search", "k2", "k1")
    rounds = [threading.Thread(target=ring.round, args=["intake"]) for _ in range(2)]

    rounds[0].start()
    erased = world.post(f"/people/{person_id}/erase", headers=world.supervisor)
    rounds[1].start()
    for each in rounds:
        each.join(timeout=30)

    assert erased.status_code == 200, erased.text
    assert world.house.rows("intake", name_token) == []
    with world.house.session("intake") as session:
        person = session.get_one(Person, person_id)
    assert (person.details, person.number_blind) == (None, None)


def test_an_erasure_under_way_is_waited_for_and_stands(world: World, ring: KeyRing) -> None:
    world.register()
    ring.turn("intake", "search", "k2", "k1")
    rotating_thread = threading.Thread(target=ring.round, args=["intake"])

    with world.house.session("intake") as session:
        person = session.exec(select(Person).with_for_update(key_share=True)).one()
        session.connection().execute(text("UPDATE person_key SET wrapped = NULL, erased_at = now()"))
        session.connection().execute(text("DELETE FROM name_token"))
        person.details = person.number_blind = None
        session.flush()
        rotating_thread.start()
        wait_until_one_waits(world)
        session.commit()
    rotating_thread.join(timeout=30)

    assert world.house.rows("intake", name_token) == []
    with world.house.session("intake") as session:
        assert session.exec(select(Person)).one().number_blind is None


def test_a_row_that_cannot_be_opened_is_passed_over_and_the_others_are_moved(world: World, ring: KeyRing) -> None:
    cases = [world.register(person=person(number)) for number in range(3)]
    with world.house.runtime("intake").engine.begin() as connection:
        broken = connection.execute(select(person_key.c.person_id).limit(1)).scalar_one()
        spoiled = update(person_key).where(person_key.c.person_id == broken)
        connection.execute(spoiled.values(wrapped=b"k1\x00" + bytes(60)))
    ring.turn("intake", "service", "k2", "k1")

    moved = ring.round("intake")

    assert (len(cases), moved) == (3, 2)


def test_a_round_goes_on_where_a_stopped_one_ended(
    world: World, ring: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotating, "BATCH", 2)
    for number in range(5):
        world.register(person=person(number))
    ring.turn("intake", "search", "k2", "k1")
    rotation = ring.rotation("intake")
    stop = StopAfter(4)

    first = rotation.round(stop)
    second = rotation.round()

    assert 0 < first < 5
    assert first + second == 5


def test_everyone_registered_and_searched_during_all_steps_is_found_throughout(
    world: World, registry: Registry, ring: KeyRing
) -> None:
    with Busy(world, registry) as busy:
        for step in STEPS:
            for service in ("intake", "registry"):
                findings = ring.findings(service)
                assert len(step) > 1 or (findings["search", "k1"].spare and findings["link", "k1"].spare)
                with busy.restarting(service):
                    ring.turn(service, "search", *step)
                    ring.turn(service, "link", *step)
                    ring.turn(service, "service", *(step if len(step) > 1 else ("k2", "k1")))
            busy.go_on()
            for service in ("intake", "registry"):
                ring.round(service)
            busy.go_on()

    assert busy.failures == []
    assert ring.missing("intake") == ring.missing("registry") == []
    assert min(busy.rounds.values()) >= 6 * 3


def wait_until_one_waits(world: World) -> None:
    """Return when another transaction of intake waits for a row."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    deadline = time.monotonic() + 30
    with world.house.runtime("intake").engine.connect() as connection:
        while not connection.execute(waiting).scalar_one():
            assert time.monotonic() < deadline
            connection.rollback()
            time.sleep(0.01)


class StopAfter(asyncio.Event):
    """Is set after it was asked so many times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self._left = times

    def is_set(self) -> bool:
        self._left -= 1
        return self._left < 0
