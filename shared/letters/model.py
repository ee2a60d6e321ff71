"""A dead letter as people meet it, and the line it stands in: the letters of one key, in the order of their arrival."""

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Uuid, and_, bindparam, func, literal_column, tuple_
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import registry
from sqlmodel import Session, select
from sqlmodel.sql.expression import SelectOfScalar

from shared import audit  # noqa: F401 - whatever is done to a letter leaves its trace
from shared.auth import Principal
from shared.bus import Record
from shared.concurrency import TURN, take_turn, take_turns, turn
from shared.db import at_once, spelled
from shared.tables import dead_letter, inbox, kit

WAITS = "waits_behind_dead_letter"
"""The reason of a letter that nobody has tried to handle yet."""
HANDLER = "handler:"
"""How the reason begins when a handler raised; what follows is the kind of error."""


class LetterState(StrEnum):
    """Where a letter stands."""

    DEAD = "dead"
    PARKED = "parked"
    DUE = "due"
    REPLAYED = "replayed"
    DISCARDED = "discarded"


OPEN = (LetterState.DEAD, LetterState.PARKED, LetterState.DUE)
"""While a letter of a key is open, whatever arrives for that key lines up behind it."""


NOTED = (
    upsert(inbox)
    .from_select(["event_id"], select(func.unnest(bindparam("ids", type_=ARRAY(Uuid))).column_valued()))
    .on_conflict_do_nothing()
    .returning(inbox.c.event_id)
)
"""Notes that events are handled, and returns those that were not before."""
LAST = (
    select(dead_letter.c.state)
    .where(
        dead_letter.c.topic == bindparam("topic"),
        dead_letter.c.key == bindparam("key"),
        dead_letter.c.state.in_([literal_column(f"'{state}'") for state in OPEN]),
    )
    .order_by(dead_letter.c.id.desc())
    .limit(literal_column("1"))
)
"""Written out as in the index of open letters, so that it fits whatever the plan."""
HOLD_LINE, NOTE_EVENT, LAST_IN_LINE = spelled(TURN), spelled(NOTED), spelled(LAST)


class DiscardReason(StrEnum):
    """Why a letter will never be handled; a closed list, for what stands in the audit trail can be erased by nobody."""

    DUPLICATE = "duplicate"
    """Its effect is there already."""
    FOREIGN = "foreign"
    """No service of ours wrote it."""
    HANDLED_BY_HAND = "handled_by_hand"
    """A person did what it asked for."""
    OBSOLETE = "obsolete"
    """What it speaks of has ended."""
    UNREADABLE = "unreadable"
    """Ours, but broken; its producer has told the same anew, or need not."""


class DeadLetter:
    """A row of `dead_letter`; its id and version are those of the API, `seq` is its place in line."""

    __tablename__ = "dead_letter"

    id: UUID
    seq: int
    event_id: str | None
    topic: str
    key: str | None
    headers: list[tuple[str, str | None]]
    payload: bytes | None
    reason: str
    state: str
    created_at: datetime
    updated_at: datetime
    version: int
    discarded_as: str | None
    ticket: str | None

    @property
    def was_tried(self) -> bool:
        """Whether the inbox knows its event already: it was read, and then failed or lined up."""
        return self.reason == WAITS or self.reason.startswith(HANDLER)

    def record(self) -> Record:
        """Return the record as it came."""
        headers = tuple((name, None if value is None else bytes.fromhex(value)) for name, value in self.headers)
        return Record(self.topic, self.key, headers, self.payload)


registry(metadata=kit).map_imperatively(
    DeadLetter, dead_letter, properties={"id": dead_letter.c.letter_id, "seq": dead_letter.c.id}
)


def visible_letters(_principal: Principal) -> SelectOfScalar[DeadLetter]:
    """Whoever operates the house sees every letter: what is shown of one tells of no person."""
    return select(DeadLetter)


def same_key(letter: DeadLetter) -> Any:
    """Return the condition of standing in a letter's line; one without a key stands alone."""
    if letter.key is None:
        return dead_letter.c.id == letter.seq
    return and_(dead_letter.c.topic == letter.topic, dead_letter.c.key == letter.key)


def hold_line(session: Session, topic: str, key: str | None) -> None:
    """Let nobody else join, leave or move along this key's line until the transaction ends."""
    if key is not None:
        take_turn(session, "letters", topic, key)


def hold_flowing(connection: Connection, lines: Collection[tuple[str, str]]) -> bool:
    """Hold several keys' lines (topic, key) at once, and say whether nobody stands in any of them."""
    take_turns(connection, [("letters", *line) for line in lines])
    waits = (
        select(dead_letter.c.id)
        .where(dead_letter.c.state.in_(OPEN), tuple_(dead_letter.c.topic, dead_letter.c.key).in_(lines))
        .limit(1)
    )
    return connection.execute(waits).first() is None


def join_line(session: Session, record: Record, event_id: UUID) -> tuple[bool, LetterState | None]:
    """Hold a record's line and note its event as handled: say whether it was not yet, and what the last one in line waits for.

    None says that the key flows. The three go to the server together; what each sees is what the one before it left.
    """
    line = {"topic": record.topic, "key": storable(record.key)}
    with at_once(session) as driver:
        if record.key is not None:
            driver.execute(HOLD_LINE, {"about": turn("letters", record.topic, line["key"])})
        noted = driver.execute(NOTE_EVENT, {"ids": [event_id]})
        last = driver.execute(LAST_IN_LINE, line)
    found = last.fetchone()
    return noted.rowcount == 1, LetterState(found[0]) if found else None


def columns_of(record: Record) -> dict[str, Any]:
    """Return a record as it lies in the dead letters; header values, which may be no text, in hexadecimal digits."""
    return {
        "event_id": event_id_of(record),
        "topic": record.topic,
        "key": storable(record.key),
        "headers": [[storable(name), value.hex() if value is not None else None] for name, value in record.headers],
        "payload": record.value,
    }


def event_id_of(record: Record) -> str | None:
    """Return the id by which its writer names a record, if it does."""
    for name, value in record.headers:
        if name == "ce_id" and value is not None:
            return str(storable(value.decode(errors="replace")))[:128]
    return None


def storable(value: str | None) -> Any:
    """Return a text that PostgreSQL can hold: no NUL and no lone surrogate, as a foreign writer's key may have."""
    return None if value is None else value.encode(errors="replace").decode().replace("\x00", "�")
