"""What an operator may do with a letter, and what becomes of its line; the same behind the routes and the command."""

from typing import Any

from sqlalchemy import func, update
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from shared.access import locked, one
from shared.clock import now
from shared.errors import Conflict, IllegalTransition
from shared.letters.model import OPEN, DeadLetter, DiscardReason, LetterState, hold_line, same_key
from shared.runtime import amend_act
from shared.tables import dead_letter

TRANSITIONS: dict[LetterState, frozenset[LetterState]] = {
    LetterState.DEAD: frozenset({LetterState.DUE, LetterState.DISCARDED}),
    LetterState.PARKED: frozenset({LetterState.DUE, LetterState.DISCARDED}),
    LetterState.DUE: frozenset({LetterState.DEAD, LetterState.PARKED, LetterState.REPLAYED, LetterState.DISCARDED}),
    LetterState.REPLAYED: frozenset(),
    LetterState.DISCARDED: frozenset(),
}
END_OF_LINE = 2**63 - 1


def ask_replay(session: Session, letters: SelectOfScalar[DeadLetter]) -> DeadLetter:
    """Let the worker handle a letter, and those that wait behind it up to the next dead one; to ask again is harmless.

    Raises `NotFound`, `IllegalTransition` for a discarded one, and `Conflict` while an earlier letter of its key is dead.
    """
    letter = _taken(session, letters)
    if letter.state in (LetterState.DUE, LetterState.REPLAYED):
        return _unchanged(session, letter)
    _refuse_unless(letter, LetterState.DUE)
    dead = select(DeadLetter.id).where(same_key(letter), _is(LetterState.DEAD), col(DeadLetter.seq) < letter.seq)
    earlier = session.exec(dead.order_by(col(DeadLetter.seq)).limit(1)).first()
    if earlier is not None:
        raise Conflict("earlier_letter", first=str(earlier))
    letter.state = LetterState.DUE
    _release(session, letter)
    return letter


def discard(
    session: Session, letters: SelectOfScalar[DeadLetter], reason: DiscardReason, ticket: str | None, *, release: bool
) -> DeadLetter:
    """Close a letter for good, unhandled; to discard it again is harmless.

    Its key goes on without it: while others wait behind it, that must be said (`release`), else `Conflict`.
    """
    letter = _taken(session, letters)
    if letter.state == LetterState.DISCARDED:
        return _unchanged(session, letter)
    _refuse_unless(letter, LetterState.DISCARDED)
    waiting = count_behind(session, letter)
    if waiting and not release:
        raise Conflict("others_wait", waiting=waiting)
    letter.state, letter.discarded_as, letter.ticket = LetterState.DISCARDED, reason.value, ticket
    amend_act(session, reason=f"{reason.value} {ticket}" if ticket else reason.value)
    _release(session, letter)
    return letter


def count_behind(session: Session, letter: DeadLetter) -> int:
    """Count the open letters that stand behind one in its line."""
    behind = (same_key(letter), col(DeadLetter.state).in_(OPEN), col(DeadLetter.seq) > letter.seq)
    return session.exec(select(func.count()).select_from(DeadLetter).where(*behind)).one()


def take_due(session: Session, seq: int) -> DeadLetter | None:
    """Take the letter at this place in hand, if it is due and the first of its line; None if it is not, or not any more."""
    there = select(DeadLetter).where(col(DeadLetter.seq) == seq)
    letter = session.exec(there).first()
    if letter is None:
        return None
    hold_line(session, letter.topic, letter.key)
    line = (same_key(letter), col(DeadLetter.state).in_(OPEN))
    first = session.exec(select(func.min(DeadLetter.seq)).where(*line)).one()
    letter = session.exec(there.with_for_update().execution_options(populate_existing=True)).one()
    return letter if first == seq and letter.state == LetterState.DUE else None


def settle(letter: DeadLetter) -> None:
    """Close a letter whose effect is there."""
    letter.state, letter.version, letter.updated_at = LetterState.REPLAYED, letter.version + 1, now()


def fail(session: Session, letter: DeadLetter, reason: str) -> None:
    """Note that a letter failed again: it is dead, and whoever stands behind it waits."""
    letter.state, letter.reason = LetterState.DEAD, reason
    letter.version, letter.updated_at = letter.version + 1, now()
    session.flush()
    _move(session, letter, LetterState.DUE, LetterState.PARKED, END_OF_LINE)


def _taken(session: Session, letters: SelectOfScalar[DeadLetter]) -> DeadLetter:
    """Lock a letter for a change: the line first, as the inbox does, so that the two never wait for each other."""
    known = one(session, letters)
    hold_line(session, known.topic, known.key)
    return locked(session, letters)


def _unchanged(session: Session, letter: DeadLetter) -> DeadLetter:
    session.expire(letter)
    return letter


def _refuse_unless(letter: DeadLetter, to: LetterState) -> None:
    allowed = TRANSITIONS[LetterState(letter.state)]
    if to not in allowed:
        raise IllegalTransition(letter.state, to, allowed)


def _release(session: Session, letter: DeadLetter) -> None:
    """Let the worker have what no dead letter holds back any more: all that waits before the first dead one."""
    session.flush()
    line = select(func.min(DeadLetter.seq)).where(same_key(letter), _is(LetterState.DEAD))
    first_dead = session.exec(line).one()
    _move(session, letter, LetterState.PARKED, LetterState.DUE, first_dead or END_OF_LINE)


def _move(session: Session, letter: DeadLetter, state: LetterState, to: LetterState, before: int) -> None:
    line = (same_key(letter), dead_letter.c.state == state, dead_letter.c.id < before)
    values: dict[str, Any] = {"state": to.value, "version": dead_letter.c.version + 1, "updated_at": now()}
    session.connection().execute(update(dead_letter).where(*line).values(**values))


def _is(state: LetterState) -> Any:
    return col(DeadLetter.state) == state
