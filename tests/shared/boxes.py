"""An inbox of the counting house, what it kept, and a record brought until it is done for good."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import RowMapping
from sqlmodel import Session

from shared.bus import Record, Retry
from shared.events import Handlers
from shared.inbox import Inbox
from shared.tables import dead_letter
from tests.shared.faults.world import (
    Counted,
    World,
    counted_by,
    note_effect,
)

CANARY = "Nguyễn Thị Hằng"


def inbox_of(world: World, handler: Callable[[Session, Any], None] = note_effect) -> Inbox:
    handlers: Handlers = {counted_by(world.service): handler}
    return Inbox(world.consumer, handlers, world.known)


def letters(world: World) -> list[RowMapping]:
    with world.consumer.engine.connect() as connection:
        return list(connection.execute(dead_letter.select().order_by(dead_letter.c.id)).mappings())


def states(world: World) -> list[tuple[str | None, str, str]]:
    return [(row["key"], row["reason"], row["state"]) for row in letters(world)]


def fail(session: Session, event: Counted) -> None:
    """Write, then fail with a text that quotes a person."""
    note_effect(session, event)
    raise ValueError(CANARY)


def exhaust(box: Inbox, record: Record) -> list[Retry]:
    """Bring a record until it is done for good, as a carrier does; return what was asked for between."""
    asked: list[Retry] = []
    while True:
        try:
            box.accept(record, sum(retry.counts for retry in asked))
        except Retry as retry:
            asked.append(retry)
        else:
            return asked
