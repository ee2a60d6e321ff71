"""Replay and discard: in the order of arrival, once in effect, and never past a dead letter unless somebody said so."""

from datetime import timedelta

import pytest

from deploy.postgres import Server
from shared.clock import now
from shared.errors import Conflict, IllegalTransition
from shared.ids import new_id
from shared.inbox import KEPT, forget_closed_letters
from shared.letters.model import DiscardReason, LetterState
from shared.tables import audit, dead_letter
from tests.shared.faults.outage import shut
from tests.shared.faults.poison import POISON, REASONS
from tests.shared.faults.world import World, counted_by
from tests.shared.letters.desk import NEVER, OPERATOR, Bug, Desk


def numbers(world: World, key: object) -> list[int]:
    return [number for got, number in world.effects() if got == str(key)]


def test_a_mended_handler_replays_its_letter_and_all_behind_it_once_in_order(world: World) -> None:
    key, bug = new_id(), Bug(2)
    desk = Desk(world, bug)
    desk.bring(*(world.record(key, number) for number in range(2, 6)))
    bug.mend()

    desk.ask_replay(0)
    desk.replay()
    desk.bring(world.record(key, 6))

    assert numbers(world, key) == [2, 3, 4, 5, 6]
    assert desk.states() == ["replayed"] * 4


def test_to_ask_twice_has_one_effect_and_changes_nothing(world: World) -> None:
    key, bug = new_id(), Bug(2)
    desk = Desk(world, bug)
    desk.bring(world.record(key, 2))
    bug.mend()

    desk.ask_replay(0)
    asked = desk.letters()[0]
    desk.ask_replay(0)
    assert desk.letters()[0].version == asked.version
    desk.replay()
    desk.ask_replay(0)
    desk.replay()

    assert numbers(world, key) == [2]
    assert desk.states() == ["replayed"]


def test_a_replay_stops_at_the_first_that_fails_and_the_rest_waits_again(world: World) -> None:
    key, bug = new_id(), Bug(2, 4)
    desk = Desk(world, bug)
    desk.bring(*(world.record(key, number) for number in range(2, 7)))
    bug.numbers = {4}

    desk.ask_replay(0)
    desk.replay()

    assert numbers(world, key) == [2, 3]
    assert desk.states() == ["replayed", "replayed", "dead", "parked", "parked"]
    assert desk.reasons()[2] == "handler:ValueError"


def test_what_arrives_while_a_replay_is_due_waits_for_its_turn_and_needs_nobody_to_ask_for_it(world: World) -> None:
    key, bug = new_id(), Bug(2)
    desk = Desk(world, bug)
    desk.bring(world.record(key, 2), world.record(key, 3))
    bug.mend()

    desk.ask_replay(0)
    desk.bring(world.record(key, 4))
    before = numbers(world, key)
    desk.replay()

    assert before == []
    assert numbers(world, key) == [2, 3, 4]


def test_no_letter_is_replayed_before_an_earlier_dead_one_of_its_key(world: World) -> None:
    key = new_id()
    desk = Desk(world)
    desk.bring(POISON["null value"](world.record(key, 2)), world.record(key, 3))
    desk.bring(POISON["no time"](world.record(key, 4)), world.record(key, 5))

    refusals = []
    for place in (1, 2, 3):
        with pytest.raises(Conflict) as refused:
            desk.ask_replay(place)
        refusals.append(refused.value.members)

    assert refusals == [{"reason": "earlier_letter", "first": str(desk.letters()[0].id)}] * 3
    assert desk.states() == ["dead", "parked", "dead", "parked"]


def test_a_replay_goes_no_further_than_the_next_dead_letter(world: World) -> None:
    key = new_id()
    desk = Desk(world)
    desk.bring(POISON["null value"](world.record(key, 2)), world.record(key, 3))
    desk.bring(POISON["no time"](world.record(key, 4)), world.record(key, 5))

    desk.discard(0)
    desk.replay()

    assert numbers(world, key) == [3]
    assert desk.states() == ["discarded", "replayed", "dead", "parked"]


def test_a_letter_behind_which_others_wait_is_discarded_only_if_they_are_let_go(world: World) -> None:
    key = new_id()
    desk = Desk(world)
    desk.bring(POISON["null value"](world.record(key, 2)), world.record(key, 3), world.record(key, 4))

    with pytest.raises(Conflict) as refused:
        desk.discard(0, release=False)
    assert (refused.value.members, desk.states()) == (
        {"reason": "others_wait", "waiting": 2},
        ["dead", "parked", "parked"],
    )
    desk.discard(0)
    desk.replay()
    desk.bring(world.record(key, 5))

    assert numbers(world, key) == [3, 4, 5]
    assert desk.states() == ["discarded", "replayed", "replayed"]


def test_a_letter_that_is_due_can_still_be_discarded_and_the_next_one_is_due(world: World) -> None:
    key = new_id()
    desk = Desk(world, Bug(2))
    desk.bring(world.record(key, 2), world.record(key, 3))
    desk.ask_replay(0)

    desk.discard(0)
    desk.replay()

    assert numbers(world, key) == [3]


@pytest.mark.parametrize("name", POISON)
def test_poison_of_every_kind_fails_its_replay_under_the_same_reason_and_can_be_discarded(
    world: World, name: str
) -> None:
    desk = Desk(world)
    desk.bring(POISON[name](world.record(new_id(), 2)))

    desk.ask_replay(0)
    desk.replay()
    after = (desk.states(), desk.reasons())
    desk.discard(0)
    desk.discard(0)

    assert after == (["dead"], [REASONS[name]])
    assert [(letter.state, letter.discarded_as, letter.ticket) for letter in desk.letters()] == [
        (LetterState.DISCARDED, DiscardReason.OBSOLETE, "OPS-12")
    ]


def test_what_was_unreadable_is_read_once_the_code_knows_its_type_and_has_its_effect_once(world: World) -> None:
    key, event_id = new_id(), new_id()
    stranger = Desk(world)
    stranger.box._known = {}
    stranger.bring(world.record(key, 2, event_id=event_id))
    desk = Desk(world)

    desk.ask_replay(0)
    desk.replay()
    desk.bring(world.record(key, 2, event_id=event_id))

    assert numbers(world, key) == [2]
    assert desk.states() == ["replayed"]


def test_an_unreadable_letter_whose_event_came_sound_as_well_has_no_second_effect(world: World) -> None:
    key, other, event_id = new_id(), new_id(), new_id()
    stranger = Desk(world)
    stranger.box._known = {}
    stranger.bring(world.record(key, 2, event_id=event_id))
    desk = Desk(world)
    desk.bring(world.record(other, 2, event_id=event_id))

    desk.ask_replay(0)
    desk.replay()

    assert world.effects() == [(str(other), 2)]
    assert desk.states() == ["replayed"]


def test_an_event_that_nobody_handles_any_more_is_replayed_without_effect(world: World) -> None:
    desk = Desk(world, Bug(2))
    desk.bring(world.record(new_id(), 2))
    desk.box._handlers = {counted_by("elsewhere"): Bug()}

    desk.ask_replay(0)
    desk.replay()

    assert (world.effects(), desk.states()) == ([], ["replayed"])


def test_letters_without_a_key_stand_alone(world: World) -> None:
    desk = Desk(world)
    for _ in range(2):
        record = POISON["null value"](world.record(new_id(), 2))
        desk.bring(type(record)(record.topic, None, record.headers, None))

    desk.ask_replay(1)
    asked = desk.states()
    desk.replay()
    desk.discard(0)

    assert asked == ["dead", "due"]
    assert desk.states() == ["discarded", "dead"]


def test_what_is_closed_stays_closed(world: World) -> None:
    desk = Desk(world, Bug(2))
    desk.bring(world.record(new_id(), 2), POISON["null value"](world.record(new_id(), 2)))
    desk.box._handlers = {}
    desk.ask_replay(0)
    desk.replay()
    desk.discard(1)

    with pytest.raises(IllegalTransition):
        desk.discard(0)
    with pytest.raises(IllegalTransition):
        desk.ask_replay(1)


def test_while_the_database_is_away_a_letter_stays_due(world: World, server: Server) -> None:
    key, bug = new_id(), Bug(2)
    desk = Desk(world, bug)
    desk.bring(world.record(key, 2))
    desk.ask_replay(0)
    bug.mend()

    with shut(server, world.consumer):
        assert desk.replayer.replay_heads(NEVER) == 0
    desk.replay()

    assert numbers(world, key) == [2]


def test_one_line_that_cannot_be_moved_holds_up_no_other(world: World) -> None:
    stuck, free, bug = new_id(), new_id(), Bug(2)
    desk = Desk(world, bug)
    desk.bring(world.record(stuck, 2), world.record(free, 2))
    desk.ask_replay(0)
    desk.ask_replay(1)
    bug.mend()

    with world.consumer.engine.begin() as other:
        other.execute(dead_letter.select().where(dead_letter.c.key == str(stuck)).with_for_update())
        desk.replayer.replay_heads(NEVER)
        moved = desk.states()
    desk.replay()

    assert moved == ["due", "replayed"]
    assert sorted(world.effects()) == sorted([(str(stuck), 2), (str(free), 2)])


def test_each_act_stands_in_the_audit_trail_with_who_which_and_why(world: World) -> None:
    desk = Desk(world, Bug(2))
    desk.bring(world.record(new_id(), 2), POISON["null value"](world.record(new_id(), 2)))

    desk.ask_replay(0)
    desk.discard(1)

    with world.consumer.engine.connect() as connection:
        rows = connection.execute(audit.select().order_by(audit.c.id)).all()
    asked, discarded = [str(letter.id) for letter in desk.letters()]
    assert [(row.actor, row.kind, row.row_id, row.fields, row.reason) for row in rows] == [
        (OPERATOR.actor, "dead_letter", asked, ["state"], None),
        (OPERATOR.actor, "dead_letter", discarded, ["discarded_as", "state", "ticket"], "obsolete OPS-12"),
    ]


def test_closed_letters_are_forgotten_when_nothing_like_them_can_arrive_and_open_ones_never(world: World) -> None:
    desk = Desk(world, Bug(2))
    desk.bring(*(POISON["null value"](world.record(new_id(), 2)) for _ in range(3)))
    desk.discard(0)
    desk.discard(1)
    old = dead_letter.update().values(updated_at=now() - KEPT - timedelta(minutes=1))
    with world.consumer.engine.begin() as connection:
        connection.execute(old.where(dead_letter.c.id != desk.letters()[1].seq))

    with world.consumer.session(OPERATOR) as session:
        forget_closed_letters(session)
        session.commit()

    assert desk.states() == ["discarded", "dead"]
