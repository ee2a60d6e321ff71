"""The ledger of erasures: who was erased, and when, kept outside the databases, so that no restore brings anyone back.

One file for each service in the folder `LEDGER_DIR`: a line for each erasure, chained by a hash to the line before, and on
the disk before the database says so. Ids and times only.
"""

import asyncio
import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.exc import SQLAlchemyError

from shared.clock import now
from shared.logging import get_logger, where
from shared.pausing import pause
from shared.runtime import Runtime
from shared.tables import person_key

IDLE_SECONDS = 2.0
BATCH = 500
START = "0" * 64
"""What the first line is chained to."""

log = get_logger("erasures")


class LedgerError(Exception):
    """The ledger cannot be trusted; the text is one line that names file and line."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One erasure, and the hash over it and all before it."""

    person_id: UUID
    erased_at: datetime
    chain: str


def ledger_of(folder: Path, service: str) -> Path:
    """Return the file of one service's ledger."""
    return folder / f"{service}.jsonl"


def read(path: Path) -> list[Entry]:
    """Return the erasures in order, none where there is no file; raise `LedgerError` at the first line that does not fit.

    A last line without its end was never acknowledged, and does not count.
    """
    text = path.read_bytes() if path.exists() else b""
    entries: list[Entry] = []
    for number, line in enumerate(text[: text.rfind(b"\n") + 1].splitlines(), start=1):
        entry = _parsed(line, entries[-1].chain if entries else START)
        if entry is None:
            message = f"{path}: line {number} was altered, or a line before it is missing"
            raise LedgerError(message)
        entries.append(entry)
    return entries


def append(path: Path, erased: Iterable[tuple[UUID, datetime]]) -> None:
    """Add erasures and return when they are on the disk; raise `LedgerError` rather than go on from an altered line."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(path) as descriptor:
        entries = read(path)
        text = path.read_bytes()
        os.ftruncate(descriptor, text.rfind(b"\n") + 1)
        chain = entries[-1].chain if entries else START
        lines = []
        for person_id, erased_at in erased:
            chain = _chained(chain, str(person_id), erased_at.isoformat())
            lines.append(json.dumps({"person": str(person_id), "erased_at": erased_at.isoformat(), "chain": chain}))
        os.write(descriptor, "".join(f"{line}\n" for line in lines).encode())
        os.fsync(descriptor)
    _sync_folder(path.parent)


class Ledgering:
    """The loop of a worker that enters each erasure within seconds of its commit."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def run(self, stop: asyncio.Event, *, idle: float = IDLE_SECONDS) -> None:
        """Enter erasures until `stop` is set; without `LEDGER_DIR` nothing is entered, and the metric counts what waits."""
        while not stop.is_set():
            try:
                entered = await asyncio.to_thread(self.enter)
            except (SQLAlchemyError, OSError, LedgerError) as error:
                log.error("ledger_failed", error=where(error))
                entered = 0
            if not entered:
                await pause(stop, idle)

    def enter(self) -> int:
        """Enter what is not yet; return how many. A crash before the commit enters them twice, which is harmless."""
        folder = self._runtime.settings.ledger_dir
        if folder is None:
            return 0
        waiting = select(person_key.c.person_id, person_key.c.erased_at).where(*UNLEDGERED)
        with self._runtime.engine.begin() as connection:
            rows = connection.execute(waiting.order_by(person_key.c.erased_at).limit(BATCH).with_for_update()).all()
            if rows:
                append(ledger_of(folder, self._runtime.service), [(row[0], row[1]) for row in rows])
                entered = update(person_key).where(person_key.c.person_id.in_([row[0] for row in rows]))
                connection.execute(entered.values(ledgered_at=now()))
        return len(rows)


UNLEDGERED = (person_key.c.erased_at.is_not(None), person_key.c.ledgered_at.is_(None))
"""The conditions that an erasure stands in no ledger yet."""


def _parsed(line: bytes, before: str) -> Entry | None:
    try:
        told = json.loads(line)
        entry = Entry(UUID(told["person"]), datetime.fromisoformat(told["erased_at"]), told["chain"])
    except (ValueError, KeyError, TypeError):
        return None
    return entry if entry.chain == _chained(before, told["person"], told["erased_at"]) else None


def _chained(before: str, person: str, erased_at: str) -> str:
    return hashlib.sha256(f"{before}\n{person}\n{erased_at}".encode()).hexdigest()


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
