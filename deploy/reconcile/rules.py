"""What an invariant is: a sentence, where its two sides stand, and how long one may be missing before it counts."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

AT_ONCE = timedelta(0)
"""Both sides are written in one transaction: nothing can be on its way."""
EVENT = timedelta(minutes=5)
"""An event that is tried is settled or a dead letter within a minute; what waits to be tried is looked up, not guessed."""
FETCH = timedelta(hours=1)
"""As long as the tries of a fetch come to lie apart."""

State = tuple[Any, ...]


def never(_state: State) -> bool:
    """Say that a side is never without the other."""
    return False


def always(_state: State) -> bool:
    """Say that a side is no matter of this invariant where the other is missing: another one counts that."""
    return True


@dataclass(frozen=True, slots=True)
class Row:
    """One side of a thing: its id, when it last changed, and what is compared."""

    key: UUID
    at: datetime
    state: State


@dataclass(frozen=True, slots=True)
class Side:
    """Where one side stands; `query` gives key, instant of the last change, and the state, in order of the key."""

    service: str
    query: str


@dataclass(frozen=True, slots=True)
class Pair:
    """The same thing is told in two places, once in each, alike."""

    name: str
    vi: str
    en: str
    left: Side
    right: Side
    flows: tuple[tuple[str, str], ...]
    """Who tells whom: what waits there is on its way."""
    agree: Callable[[State, State], bool]
    left_alone: Callable[[State], bool] = never
    right_alone: Callable[[State], bool] = never
    within: timedelta = EVENT


@dataclass(frozen=True, slots=True)
class Check:
    """One database by itself: `count` says how many are checked; `faults` gives id, since when, and whether it waits.

    A fault without an instant, or one that does not wait, is broken when it is older than the invariant allows.
    """

    service: str
    count: str
    faults: str


@dataclass(frozen=True, slots=True)
class Alone:
    """What a database says must hold by itself."""

    name: str
    vi: str
    en: str
    checks: tuple[Check, ...]
    within: timedelta = AT_ONCE


Invariant = Pair | Alone
