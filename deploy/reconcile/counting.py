"""The count: two sorted streams are merged row by row, and each fault is told apart by its age and by what still waits."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

from deploy.reconcile.backlogs import BACKLOGS
from deploy.reconcile.pairs import PAIRS
from deploy.reconcile.rules import Alone, Invariant, Pair, Row
from deploy.reconcile.snapshots import Snapshot, snapshots
from deploy.reconcile.stores import STORES
from deploy.reconcile.trails import TRAILS
from deploy.reconcile.waiting import Waiting, waiting
from shared.clock import now

INVARIANTS: tuple[Invariant, ...] = (*PAIRS, *STORES, *TRAILS, *BACKLOGS)
SHOWN = 5
"""Ids that a line names; there may be many more."""


@dataclass(slots=True)
class Line:
    """What came of one invariant."""

    name: str
    vi: str
    en: str
    checked: int = 0
    in_flight: int = 0
    broken: int = 0
    ids: list[str] = field(default_factory=list)
    """The first few that are broken."""

    def note(self, key: str, *, in_flight: bool) -> None:
        """Count one fault."""
        if in_flight:
            self.in_flight += 1
            return
        self.broken += 1
        if len(self.ids) < SHOWN:
            self.ids.append(key)

    def as_dict(self) -> dict[str, Any]:
        """Return the line for machines."""
        return asdict(self)


def reconcile(addresses: Mapping[str, str], at: datetime | None = None) -> list[Line]:
    """Count every invariant over the databases at `addresses` (by service, as libpq takes them); raises `psycopg.Error`.

    `at` is when ages are told, by default now.
    """
    at = at or now()
    with snapshots(addresses) as found:
        on_the_way = waiting(found)
        return [
            _paired(each, found, on_the_way, at) if isinstance(each, Pair) else _alone(each, found, at)
            for each in INVARIANTS
        ]


def _paired(pair: Pair, found: Mapping[str, Snapshot], on_the_way: Waiting, at: datetime) -> Line:
    line = Line(pair.name, pair.vi, pair.en)
    sides = (_side(found[side.service].rows(side.query)) for side in (pair.left, pair.right))
    for key, left, right in matched(*sides):
        line.checked += 1
        if _agrees(pair, left, right):
            continue
        doubled = len(left) > 1 or len(right) > 1
        newest = max(row.at for row in (*left, *right))
        young = at - newest < pair.within
        in_flight = young or any(on_the_way.on_its_way(flow, str(key), newest) for flow in pair.flows)
        line.note(str(key), in_flight=in_flight and not doubled)
    return line


def _alone(alone: Alone, found: Mapping[str, Snapshot], at: datetime) -> Line:
    line = Line(alone.name, alone.vi, alone.en)
    for check in alone.checks:
        snapshot = found[check.service]
        line.checked += snapshot.number(check.count)
        for key, since, waits in snapshot.rows(check.faults):
            line.note(_named(alone, check.service, key), in_flight=bool(waits) or _is_young(since, at, alone.within))
    return line


def matched(left: Iterable[Row], right: Iterable[Row]) -> Iterator[tuple[UUID, list[Row], list[Row]]]:
    """Bring together what two streams, each in order of its key, say of the same key; neither is held in memory."""
    both = merge(_tagged(0, left), _tagged(1, right), key=itemgetter(0))
    for key, group in groupby(both, key=itemgetter(0)):
        sides: tuple[list[Row], list[Row]] = ([], [])
        for _, side, row in group:
            sides[side].append(row)
        yield key, *sides


def _tagged(side: int, rows: Iterable[Row]) -> Iterator[tuple[UUID, int, Row]]:
    return ((row.key, side, row) for row in rows)


def _side(rows: Iterable[tuple[Any, ...]]) -> Iterator[Row]:
    return (Row(key, at, tuple(state)) for key, at, *state in rows)


def _agrees(pair: Pair, left: list[Row], right: list[Row]) -> bool:
    match left, right:
        case [one], [other]:
            return pair.agree(one.state, other.state)
        case [one], []:
            return pair.left_alone(one.state)
        case [], [other]:
            return pair.right_alone(other.state)
    return False


def _is_young(since: datetime | None, at: datetime, within: timedelta) -> bool:
    return since is not None and at - since < within


def _named(alone: Alone, service: str, key: str) -> str:
    return key if len(alone.checks) == 1 else f"{service}:{key}"
