"""The inbox when its database is away, slow, or refuses: no try is lost to an outage, and no key is held for ever."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlmodel import Session

from deploy.postgres import Server
from shared.bus import Retry
from shared.ids import new_id
from shared.inbox import DELAYS
from shared.tables import inbox
from tests.shared.boxes import exhaust, inbox_of, letters, states
from tests.shared.faults.outage import shut
from tests.shared.faults.poison import POISON
from tests.shared.faults.world import (
    Counted,
    World,
    late,
    note_effect,
)


@pytest.mark.parametrize("bad", [False, True])
def test_while_the_database_is_away_no_try_is_counted(world: World, server: Server, *, bad: bool) -> None:
    record = world.record(new_id(), 2)
    brought = POISON["null value"](record) if bad else record
    box = inbox_of(world)

    with shut(server, world.consumer):
        for _ in range(len(DELAYS) + 2):
            with pytest.raises(Retry) as asked:
                box.accept(brought, 0)
            assert not asked.value.counts
    box.accept(brought, 0)

    assert world.effects() == ([] if bad else [(record.key, 2)])
    assert len(letters(world)) == bad


def test_a_session_lost_in_mid_handler_costs_no_try(world: World, server: Server) -> None:
    record = world.record(new_id(), 2)

    def cut_off(session: Session, event: Counted) -> None:
        note_effect(session, event)
        mine = session.connection().execute(text("SELECT pg_backend_pid()")).scalar_one()
        with server.connect() as operator:
            operator.execute("SELECT pg_terminate_backend(%s, 10000)", (mine,))
        note_effect(session, event)

    with pytest.raises(Retry) as asked:
        inbox_of(world, cut_off).accept(record, len(DELAYS))

    assert not asked.value.counts
    assert letters(world) == []
    inbox_of(world).accept(record, len(DELAYS))
    assert world.effects() == [(record.key, 2)]


def too_slow(session: Session, event: Counted) -> None:
    """Write, then ask for what the statement timeout does not allow."""
    note_effect(session, event)
    session.connection().execute(text("SET LOCAL statement_timeout = '20ms'"))
    session.connection().execute(text("SELECT pg_sleep(10)"))


def waits_in_vain(session: Session, event: Counted) -> None:
    """Wait for what somebody else holds for ever."""
    note_effect(session, event)
    session.connection().execute(text("SET LOCAL lock_timeout = '20ms'"))
    session.connection().execute(text("SELECT pg_advisory_xact_lock(7)"))


def stays_idle(session: Session, event: Counted) -> None:
    """Leave the transaction idle for so long that the database ends the session."""
    note_effect(session, event)
    session.connection().execute(text("SET LOCAL idle_in_transaction_session_timeout = '20ms'"))
    time.sleep(0.2)
    note_effect(session, event)


def breaks_at_commit(session: Session, event: Counted) -> None:
    """Store what only the commit refuses."""
    note_effect(session, event)
    session.connection().execute(late.insert(), [{"number": 1}, {"number": 1}])


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (too_slow, "QueryCanceled"),
        (waits_in_vain, "LockNotAvailable"),
        (stays_idle, "IdleInTransactionSessionTimeout"),
        (breaks_at_commit, "UniqueViolation"),
    ],
)
def test_a_handler_that_the_database_always_refuses_does_not_hold_its_key_for_ever(
    world: World, handler: Callable[[Session, Any], None], reason: str
) -> None:
    record, other = world.record(new_id(), 2), world.record(new_id(), 3)
    box = inbox_of(world, lambda session, event: (handler if event.number == 2 else note_effect)(session, event))

    with world.consumer.engine.begin() as holder:
        holder.execute(text("SELECT pg_advisory_xact_lock(7)"))
        asked = exhaust(box, record)
    box.accept(other, 0)

    assert [retry.counts for retry in asked] == [True] * len(DELAYS)
    assert states(world) == [(record.key, f"handler:{reason}", "dead")]
    assert world.effects() == [(other.key, 3)]


def test_a_lock_on_the_event_itself_is_waited_for_and_costs_no_try(world: World) -> None:
    """Another consumer has the same event in hand, as happens when a partition moves."""
    event_id = new_id()
    record = world.record(new_id(), 2, event_id=event_id)

    with world.consumer.engine.begin() as connection:
        connection.execute(inbox.insert().values(event_id=event_id))
        with pytest.raises(Retry) as asked:
            inbox_of(world).accept(record, len(DELAYS))
        connection.rollback()
    inbox_of(world).accept(record, len(DELAYS))

    assert not asked.value.counts
    assert letters(world) == []
    assert world.effects() == [(record.key, 2)]


def test_rights_that_are_missing_are_no_fault_of_the_event(world: World, server: Server) -> None:
    """The carrier brings it again, uncounted, until an operator has put the database right."""
    record = world.record(new_id(), 2)
    with server.connect(str(world.consumer.engine.url.database)) as operator:
        operator.execute("REVOKE INSERT ON inbox FROM intake_app")
        with pytest.raises(ProgrammingError):
            inbox_of(world).accept(record, len(DELAYS))
        operator.execute("GRANT INSERT ON inbox TO intake_app")

    inbox_of(world).accept(record, len(DELAYS))

    assert letters(world) == []
    assert world.effects() == [(record.key, 2)]
