"""Verifies an audit chain against its rows, and against what the witnesses heard; names the first row that is broken.

It reads the chain as a stream, in one snapshot: memory stays flat, and a sealer at work is no disturbance.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Row, exists, func, select

from shared.chain import ROW, START, Ring, canonical
from shared.tables import audit, audit_head, audit_seal

STREAMED = 2_000
"""Rows in memory at once."""

Link = Row[Any]
"""A seal (`n, audit_id, key_id, mac`) and the row it covers, all of it NULL if there is none."""


class Harm(StrEnum):
    """What happened to the first row that is not as it was sealed."""

    CUT = "cut"
    EDITED = "edited"
    MISSING = "missing"
    REWRITTEN = "rewritten"
    SWAPPED = "swapped"
    UNKNOWN_KEY = "unknown_key"


@dataclass(frozen=True, slots=True)
class Break:
    """The first broken row: its number in the chain, its id in the trail where one is named, and what happened to it."""

    n: int
    audit_id: int | None
    harm: Harm
    detail: str = ""
    """The audit id of a swap's other row, the witness (of a cut: and the last row it heard of), or the id of the key."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found of one chain."""

    whole: int
    """Rows that are as they were sealed, from the first on."""
    witnessed: int
    """The last of these that a witness has heard of: what was sealed later could still be cut off unseen."""
    broken: Break | None
    unsealed: int = 0
    """Rows that wait for their seals."""
    oldest: float = 0.0
    """Age of the oldest of these, in seconds."""


class Heard(NamedTuple):
    """What a witness heard of the chain."""

    n: int
    mac: bytes
    witness: str


def verify(
    service: str, ring: Ring, engine: Engine, witnesses: Mapping[str, Engine], lost: Sequence[range] = ()
) -> Verdict:
    """Verify one service's chain; `witnesses` are the databases of the others. Raises what the databases raise.

    `lost` are the numbers of rows that a restore is known to have cost: what was heard of them is not held against it.
    """
    with ExitStack() as stack:
        # The witnesses are read first: whatever they heard was sealed before, and so must be in the chain read after.
        heard = [stack.enter_context(_heard(name, each, service)) for name, each in witnesses.items()]
        connection = stack.enter_context(_snapshot(engine))
        unsealed, oldest = _unsealed(connection)
        links = stack.enter_context(connection.execute(_links()))
        heads = (head for head in heapq.merge(*heard) if not any(head.n in each for each in lost))
        verdict = walk(ring, iter(links), heads)
    return replace(verdict, unsealed=unsealed, oldest=oldest)


def walk(ring: Ring, links: Iterator[Link], heard: Iterable[Heard]) -> Verdict:
    """Follow the chain from its beginning to its end or its first break, and compare what was heard of it."""
    heads = iter(heard)
    head = next(heads, None)
    n, mac, witnessed = 0, START, 0
    for link in links:
        broken = _broken(ring, n + 1, mac, link)
        if broken is not None:
            return Verdict(n, witnessed, _swapped(ring, broken, mac, link, links) or broken)
        n, mac = n + 1, link.mac
        while head is not None and head.n <= n:
            if head.mac != mac:
                return Verdict(n - 1, witnessed, Break(n, link.audit_id, Harm.REWRITTEN, head.witness))
            witnessed = n
            head = next(heads, None)
    return Verdict(n, witnessed, None if head is None else _cut(n, [head, *heads]))


def _cut(n: int, beyond: Sequence[Heard]) -> Break:
    """Name the first row that is gone, and the last that is known to have been there."""
    return Break(n + 1, None, Harm.CUT, f"{beyond[-1].witness} up to row {beyond[-1].n}")


def _broken(ring: Ring, n: int, previous: bytes, link: Link) -> Break | None:
    if link.n != n:
        return Break(n, None, Harm.MISSING)
    if link.id is None:
        return Break(n, link.audit_id, Harm.MISSING)
    if link.key_id not in ring:
        return Break(n, link.audit_id, Harm.UNKNOWN_KEY, str(link.key_id))
    whole = ring.mac(link.key_id, n, previous, canonical(link[4:])) == link.mac
    return None if whole else Break(n, link.audit_id, Harm.EDITED)


def _swapped(ring: Ring, broken: Break, previous: bytes, link: Link, rest: Iterator[Link]) -> Break | None:
    """Look for the other half of a swap: it lies further on, or that row would be the first broken one."""
    if broken.harm is not Harm.EDITED:
        return None
    found = (other.audit_id for other in rest if _exchanged(ring, previous, link, other))
    return next((Break(broken.n, broken.audit_id, Harm.SWAPPED, str(other)) for other in found), None)


def _exchanged(ring: Ring, previous: bytes, link: Link, other: Link) -> bool:
    """Say whether two links exchanged their places, their seals, their rows' ids, or the contents of their rows."""
    if other.id is None or other.key_id not in ring:
        return False
    here, there = canonical(link[4:]), canonical(other[4:])
    contents = canonical((link.id, *other[5:]))
    by_other = {ring.mac(other.key_id, link.n, previous, row) for row in (here, there)}
    by_this = {ring.mac(link.key_id, link.n, previous, row) for row in (there, contents)}
    return other.mac in by_other or link.mac in by_this


@contextmanager
def _snapshot(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that sees the database as it is at its first statement, and streams what it reads."""
    options: dict[str, Any] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with engine.connect() as connection:
        yield connection.execution_options(**options)


def _links() -> Any:
    seals = select(audit_seal.c.n, audit_seal.c.audit_id, audit_seal.c.key_id, audit_seal.c.mac, *ROW)
    joined = seals.select_from(audit_seal.outerjoin(audit, audit.c.id == audit_seal.c.audit_id))
    return joined.order_by(audit_seal.c.n).execution_options(yield_per=STREAMED)


@contextmanager
def _heard(witness: str, engine: Engine, service: str) -> Iterator[Iterator[Heard]]:
    """Ask a witness at once what it heard of a service's chain; the answer is read later."""
    heads = select(audit_head.c.n, audit_head.c.mac).where(audit_head.c.service == service).order_by(audit_head.c.n)
    asked = heads.execution_options(yield_per=STREAMED)
    with _snapshot(engine) as connection, connection.execute(asked) as rows:
        yield (Heard(n, mac, witness) for n, mac in rows)


def _unsealed(connection: Connection) -> tuple[int, float]:
    sealed = exists().where(audit_seal.c.audit_id == audit.c.id)
    age = func.extract("epoch", func.now() - func.min(audit.c.at))
    count, oldest = connection.execute(select(func.count(), age).select_from(audit).where(~sealed)).one()
    return int(count), float(oldest or 0)
