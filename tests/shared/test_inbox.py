"""The inbox: each event has its effect once; poison is kept once and parks its key; no try is lost to an outage."""

from datetime import timedelta

import pytest
from sqlmodel import Session

from shared.bus import Record
from shared.clock import now
from shared.ids import new_id
from shared.inbox import DELAYS, JITTER, KEPT, Inbox, forget_old_events
from shared.runtime import act_of
from shared.tables import dead_letter, inbox, outbox
from tests.shared.boxes import CANARY, exhaust, fail, inbox_of, letters, states
from tests.shared.faults.poison import POISON, REASONS
from tests.shared.faults.world import (
    ACT,
    Counted,
    World,
    count,
    counted_by,
    note_effect,
    open_runtime,
)


def test_an_event_that_comes_again_has_its_effect_once(world: World) -> None:
    record = world.record(new_id(), 2)

    for _ in range(3):
        inbox_of(world).accept(record, 0)

    assert world.effects() == [(record.key, 2)]
    assert world.rows(world.consumer, inbox) == 1


def test_an_event_that_nobody_handles_leaves_nothing_behind(world: World) -> None:
    Inbox(world.consumer, {}, world.known).accept(world.record(new_id(), 2), 0)

    assert world.rows(world.consumer, inbox) == 0
    assert letters(world) == []


def test_a_handler_acts_in_the_name_of_its_event_and_carries_its_correlation_on(world: World) -> None:
    event_id, acts = new_id(), []

    def note(session: Session, event: Counted) -> None:  # noqa: ARG001 - a handler is given both
        acts.append(act_of(session))

    inbox_of(world, note).accept(world.record(new_id(), 2, event_id=event_id), 0)

    assert (acts[0].actor, acts[0].operation) == (f"event:{world.service}.counted.v1", "note")
    assert (acts[0].correlation_id, acts[0].causation_id) == (ACT.correlation_id, str(event_id))


def test_what_a_handler_publishes_joins_its_transaction_and_wakes_the_relay(world: World) -> None:
    """The counting service hears of its own counts here, and counts on."""
    wakes: list[int] = []
    address = world.producer.settings.database_url.get_secret_value()
    runtime = open_runtime(world.service, address, wake=lambda: wakes.append(1))
    [counter] = world.counters(1)

    def count_on(session: Session, event: Counted) -> None:
        count(session, event.counter_id)

    Inbox(runtime, {counted_by(world.service): count_on}, world.known).accept(world.record(counter, 2), 0)
    runtime.close()

    assert world.rows(world.producer, outbox) == 1
    assert wakes == [1]


def test_poison_of_every_kind_is_one_dead_letter_with_its_reason_and_parks_its_key(world: World) -> None:
    keys = {name: new_id() for name in POISON}
    other = new_id()
    bad = [POISON[name](world.record(key, 2)) for name, key in keys.items()]
    behind = [world.record(key, number) for number in (3, 4) for key in keys.values()]
    box = inbox_of(world)

    for record in [*bad, *behind, world.record(other, 2), *reversed(bad), *behind]:
        box.accept(record, 0)

    dead = [(str(key), REASONS[name], "dead") for name, key in keys.items()]
    parked = [(record.key, "waits_behind_dead_letter", "parked") for record in behind]
    assert states(world) == dead + parked
    assert [row["payload"] for row in letters(world)] == [record.value for record in bad + behind]
    assert world.effects() == [(str(other), 2)]


def test_a_dead_letter_holds_the_record_as_it_came(world: World) -> None:
    bad = POISON["bad UTF-8 in a header"](world.record(new_id(), 2))

    inbox_of(world).accept(bad, 0)

    [row] = letters(world)
    kept = tuple((name, bytes.fromhex(value)) for name, value in row["headers"])
    assert kept == bad.headers
    assert (row["topic"], row["key"], row["payload"]) == (bad.topic, bad.key, bad.value)
    assert row["event_id"] == dict(bad.headers)["ce_id"].decode()  # type: ignore[union-attr]


def test_different_records_under_one_id_are_each_kept(world: World) -> None:
    """A foreign writer may number all its records with the same id, or with none."""
    box = inbox_of(world)
    poison = [POISON[name](world.record(new_id(), 2)) for name in ("id that is none", "no id") for _ in range(2)]

    for record in [*poison, *poison]:
        box.accept(record, 0)

    assert [row["key"] for row in letters(world)] == [record.key for record in poison]


def test_keys_and_names_that_postgresql_cannot_hold_are_kept_and_hold_up_nobody(world: World) -> None:
    odd = Record(world.topic, "a\x00b\ud800", (("na\x00me", b"\x00"), ("ce_id", b"\x00")), b"\x00")
    sound = world.record(new_id(), 2)
    headers = tuple((name, b"a\x00b" if "key" in name else value) for name, value in sound.headers)
    behind = Record(world.topic, "a\x00b", headers, sound.value)
    box = inbox_of(world)

    for record in (odd, behind, world.record(new_id(), 2)):
        box.accept(record, 0)

    assert [row["reason"] for row in letters(world)] == ["specversion"]
    assert letters(world)[0]["key"] == "a�b?"
    assert len(world.effects()) == 2


def test_a_failing_handler_is_tried_again_after_growing_delays_and_then_kept(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    record = world.record(new_id(), 2)
    box = inbox_of(world, fail)

    asked = exhaust(box, record)
    box.accept(record, 0)

    assert [retry.counts for retry in asked] == [True] * len(DELAYS)
    for retry, delay in zip(asked, DELAYS, strict=True):
        assert delay * (1 - JITTER) <= retry.after <= delay * (1 + JITTER)
    assert states(world) == [(record.key, "handler:ValueError", "dead")]
    assert world.effects() == []
    assert CANARY not in caplog.text


def test_behind_a_failed_event_its_key_waits_in_order_and_other_keys_flow(world: World) -> None:
    key, other = new_id(), new_id()
    box = inbox_of(world, lambda session, event: (fail if event.number == 3 else note_effect)(session, event))

    for number in range(2, 7):
        exhaust(box, world.record(key, number))
        exhaust(box, world.record(other, number * 10))

    assert [(row["state"], row["payload"]) for row in letters(world)] == [
        ("dead" if number == 3 else "parked", world.record(key, number).value) for number in range(3, 7)
    ]
    assert [number for got, number in world.effects() if got == str(key)] == [2]
    assert [number for got, number in world.effects() if got == str(other)] == [20, 30, 40, 50, 60]


@pytest.mark.parametrize("state", ["replayed", "discarded"])
def test_once_an_operator_has_dealt_with_its_dead_letters_a_key_flows_again(world: World, state: str) -> None:
    key = new_id()
    box = inbox_of(world)
    box.accept(POISON["null value"](world.record(key, 2)), 0)
    with world.consumer.engine.begin() as connection:
        connection.execute(dead_letter.update().values(state=state))

    box.accept(world.record(key, 3), 0)

    assert world.effects() == [(str(key), 3)]


def test_the_inbox_forgets_what_no_topic_keeps_any_more(world: World) -> None:
    old, recent = new_id(), new_id()
    with world.consumer.engine.begin() as connection:
        connection.execute(inbox.insert().values(event_id=old, handled_at=now() - KEPT - timedelta(minutes=1)))
        connection.execute(inbox.insert().values(event_id=recent, handled_at=now() - KEPT + timedelta(minutes=1)))

    with world.consumer.session(ACT) as session:
        forget_old_events(session)
        session.commit()

    with world.consumer.engine.connect() as connection:
        assert connection.execute(inbox.select()).one().event_id == recent
