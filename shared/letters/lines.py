"""The lines that do not flow: which keys, who is first, and how many wait."""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import func, tuple_
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from shared.auth import Principal
from shared.letters.model import OPEN, DeadLetter, visible_letters

Counts = dict[tuple[str, str | None], dict[str, int]]


def first_letters(principal: Principal) -> SelectOfScalar[DeadLetter]:
    """The first open letter of each key; letters without a key stand in no line."""
    in_line = (col(DeadLetter.state).in_(OPEN), col(DeadLetter.key).is_not(None))
    firsts = select(func.min(DeadLetter.seq)).where(*in_line).group_by(col(DeadLetter.topic), col(DeadLetter.key))
    return visible_letters(principal).where(col(DeadLetter.seq).in_(firsts))


def counts(session: Session, firsts: Sequence[DeadLetter]) -> Counts:
    """Count the open letters of each line by their state."""
    line = (col(DeadLetter.topic), col(DeadLetter.key), col(DeadLetter.state))
    named = tuple_(*line[:2]).in_([(first.topic, first.key) for first in firsts])
    rows = session.exec(select(*line, func.count()).where(named, line[2].in_(OPEN)).group_by(*line))
    counted: Counts = defaultdict(lambda: dict.fromkeys(OPEN, 0))
    for topic, key, state, number in rows:
        counted[topic, key][state] = number
    return counted
