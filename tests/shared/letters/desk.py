"""An operator's desk in the small house: letters by their place in line, and the acts on them, each in a transaction."""

from typing import Any

from sqlmodel import Session, col, select

from shared.bus import Record
from shared.events import Handlers
from shared.inbox import Inbox
from shared.letters import acts
from shared.letters.model import DeadLetter, DiscardReason
from shared.letters.replayer import Replayer
from shared.runtime import Act
from tests.shared.faults.world import Counted, World, counted_by, note_effect

OPERATOR = Act("operator:test", "test", "test-correlation")


class Bug:
    """A handler that fails for some numbers until it is mended, and notes an effect before it does."""

    def __init__(self, *numbers: int) -> None:
        self.numbers = set(numbers)

    def __call__(self, session: Session, event: Counted) -> None:
        note_effect(session, event)
        if event.number in self.numbers:
            raise ValueError

    __name__ = "note_effect"

    def mend(self) -> None:
        self.numbers.clear()


class Desk:
    """One world's dead letters, and who works on them."""

    def __init__(self, world: World, handler: Any = note_effect) -> None:
        self.world = world
        handlers: Handlers = {counted_by(world.service): handler}
        self.box = Inbox(world.consumer, handlers, world.known, delays=())
        self.replayer = Replayer(world.consumer.engine, self.box.replay, idle=0.05)

    def bring(self, *records: Record) -> None:
        """Bring records as a carrier does."""
        for record in records:
            self.box.accept(record, 0)

    def letters(self) -> list[DeadLetter]:
        """Return all letters, in line order."""
        with self.world.consumer.session(OPERATOR) as session:
            return list(session.exec(select(DeadLetter).order_by(col(DeadLetter.seq))))

    def states(self) -> list[str]:
        """Return where each letter stands, in line order."""
        return [letter.state for letter in self.letters()]

    def reasons(self) -> list[str]:
        """Return why each letter is one, in line order."""
        return [letter.reason for letter in self.letters()]

    def ask_replay(self, place: int) -> None:
        """Ask for the letter at this place of the list."""
        there = select(DeadLetter).where(DeadLetter.id == self.letters()[place].id)
        with self.world.consumer.session(OPERATOR) as session:
            acts.ask_replay(session, there)
            session.commit()

    def discard(self, place: int, *, release: bool = True) -> None:
        """Discard the letter at this place of the list."""
        there = select(DeadLetter).where(DeadLetter.id == self.letters()[place].id)
        with self.world.consumer.session(OPERATOR) as session:
            acts.discard(session, there, DiscardReason.OBSOLETE, "OPS-12", release=release)
            session.commit()

    def replay(self) -> None:
        """Let the worker do what is due, until nothing is."""
        while self.replayer.replay_heads(NEVER):
            continue


class _Never:
    """What a loop is told that shall go on."""

    def is_set(self) -> bool:
        return False


NEVER: Any = _Never()
