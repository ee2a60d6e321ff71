"""Events handled together: in order, each once and in its own name; what stands in the way of one undoes them all."""

from collections.abc import Callable
from itertools import count

import pytest
from sqlalchemy import text
from sqlmodel import Session

from shared.ids import new_id
from shared.inbox import Inbox
from shared.runtime import act_of
from shared.tables import inbox, outbox
from tests.shared.boxes import fail, inbox_of, letters
from tests.shared.faults.poison import POISON
from tests.shared.faults.world import (
    Counted,
    World,
    counted_by,
    note_effect,
    open_runtime,
)
from tests.shared.faults.world import count as count_on


def always() -> bool:
    """Go on, whatever happens."""
    return True


def asked(times: int) -> Callable[[], bool]:
    """Go on for so many records; then we are told to stop."""
    number = count(1)
    return lambda: next(number) <= times


def test_they_have_their_effects_in_order_in_one_transaction(world: World) -> None:
    keys = [new_id(), new_id()]
    records = [world.record(key, number) for number in (2, 3, 4) for key in keys]
    transactions = set()

    def note(session: Session, event: Counted) -> None:
        transactions.add(session.connection().execute(text("SELECT pg_current_xact_id()::text")).scalar_one())
        note_effect(session, event)

    done = inbox_of(world, note).together(records, always)

    assert done == len(records)
    assert world.effects() == [(str(key), number) for number in (2, 3, 4) for key in keys]
    assert world.rows(world.consumer, inbox) == len(records)
    assert len(transactions) == 1


def test_an_event_that_comes_again_among_others_has_its_effect_once(world: World) -> None:
    first, second, third = (world.record(new_id(), 2) for _ in range(3))
    box = inbox_of(world)
    box.accept(first, 0)

    done = [box.together([first, second, second, third], always), box.together([first, second, third], always)]

    assert done == [4, 3]
    assert world.effects() == [(record.key, 2) for record in (first, second, third)]


def test_each_handler_acts_in_the_name_of_its_own_event(world: World) -> None:
    ids, acts = [new_id(), new_id()], []

    def note(session: Session, event: Counted) -> None:  # noqa: ARG001 - a handler is given both
        acts.append(act_of(session).causation_id)

    inbox_of(world, note).together([world.record(new_id(), 2, event_id=event_id) for event_id in ids], always)

    assert acts == [str(event_id) for event_id in ids]


def test_what_handlers_publish_is_stored_with_their_effects_and_wakes_the_relay_once(world: World) -> None:
    wakes: list[int] = []
    address = world.producer.settings.database_url.get_secret_value()
    runtime = open_runtime(world.service, address, wake=lambda: wakes.append(1))
    counters = world.counters(3)

    def go_on_counting(session: Session, event: Counted) -> None:
        count_on(session, event.counter_id)

    box = Inbox(runtime, {counted_by(world.service): go_on_counting}, world.known)
    box.together([world.record(counter, 2) for counter in counters], always)
    runtime.close()

    assert world.rows(world.producer, outbox) == 3
    assert wakes == [1]
    assert set(world.versions().values()) == {2}


def broken_at_commit(session: Session, event: Counted) -> None:
    """Store what only the commit refuses."""
    note_effect(session, event)
    session.connection().execute(text("INSERT INTO late VALUES (1), (1)"))


@pytest.mark.parametrize("broken", [fail, broken_at_commit])
def test_where_one_fails_none_has_an_effect_and_alone_its_neighbours_have_theirs(
    world: World, broken: Callable[[Session, Counted], None]
) -> None:
    records = [world.record(new_id(), number) for number in range(2, 7)]
    box = inbox_of(world, lambda session, event: (broken if event.number == 4 else note_effect)(session, event))

    together = box.together(records, always)
    left = world.effects(), world.rows(world.consumer, inbox), letters(world)
    for record in records[:2] + records[3:]:
        box.accept(record, 0)

    assert together == 0
    assert left == ([], 0, [])
    assert [number for _, number in world.effects()] == [2, 3, 5, 6]


def test_where_one_is_poison_none_is_handled_and_nothing_is_kept_yet(world: World) -> None:
    records = [world.record(new_id(), 2), POISON["null value"](world.record(new_id(), 2))]

    done = inbox_of(world).together(records, always)

    assert done == 0
    assert (world.effects(), letters(world)) == ([], [])


def test_where_a_key_is_parked_none_is_handled_and_alone_its_event_waits_behind(world: World) -> None:
    parked, other = new_id(), new_id()
    box = inbox_of(world)
    box.accept(POISON["null value"](world.record(parked, 2)), 0)
    records = [world.record(other, 2), world.record(parked, 3)]

    done = box.together(records, always)
    for record in records:
        box.accept(record, 0)

    assert done == 0
    assert world.effects() == [(str(other), 2)]
    assert [letter["state"] for letter in letters(world)] == ["dead", "parked"]


def test_told_to_stop_it_keeps_what_is_done_and_the_rest_comes_again(world: World) -> None:
    records = [world.record(new_id(), number) for number in range(2, 6)]
    box = inbox_of(world)

    done = box.together(records, asked(2))
    left = world.effects()
    rest = box.together(records[done:], always)

    assert (done, rest) == (2, 2)
    assert [number for _, number in left] == [2, 3]
    assert [number for _, number in world.effects()] == [2, 3, 4, 5]


def test_what_nobody_handles_is_done_without_a_trace(world: World) -> None:
    records = [world.record(new_id(), 2) for _ in range(3)]

    done = Inbox(world.consumer, {}, world.known).together(records, always)

    assert done == 3
    assert world.rows(world.consumer, inbox) == 0
