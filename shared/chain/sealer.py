"""The sealer: chains unsealed audit rows within about a second, one sealer at a time, and tells the other services."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import Connection, func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from shared.chain import START, Ring, canonical
from shared.chain.unsealed import newest_sealed, recent_after, stretch_after, unsealed, walk_indexes
from shared.clock import now
from shared.contracts.audit import sealed_event
from shared.events import Event
from shared.logging import get_logger, where
from shared.outbox import publish
from shared.pausing import pause
from shared.runtime import Act, Runtime
from shared.settings import SettingsError, parse_keys
from shared.tables import audit_seal

SEAL_LOCK = 0x7365616C
"""Held by the transaction that seals: of several sealers one works, and the chain has one end."""
BATCH = 500
STRETCH = 5_000
"""Rows of the older ids that are looked over in each round, for what committed very late."""
ROUND_SECONDS = 1.0
HEAD_SECONDS = 10.0
"""The chain's head is told at most so often; what was sealed since is not witnessed yet."""
APPENDED = text(
    "INSERT INTO audit_seal (n, audit_id, key_id, mac) SELECT n, audit_id, :key_id, mac FROM unnest"
    "(CAST(:numbers AS bigint[]), CAST(:ids AS bigint[]), CAST(:macs AS bytea[])) AS sealed (n, audit_id, mac)"
)
"""One statement for a whole batch."""
ACT = Act("system:audit", "seal", "sealing")

log = get_logger("audit")


@dataclass(slots=True)
class Head:
    """The end of a chain; in the form of an aggregate, so that its events have a key and an order."""

    id: UUID
    version: int
    """The number of the last sealed row."""
    mac: bytes
    updated_at: datetime


class Sealer:
    """Seals the audit trail of one service; raises `SettingsError` where the process was given no audit key."""

    def __init__(
        self,
        runtime: Runtime,
        known: Mapping[str, type[Event]],
        *,
        batch: int = BATCH,
        stretch: int = STRETCH,
        head_seconds: float = HEAD_SECONDS,
    ) -> None:
        keys = runtime.settings.audit_keys
        if keys is None:
            raise SettingsError(f"{runtime.service.upper()}_AUDIT_KEYS: expected the keys that seal the audit trail")
        self._runtime = runtime
        self._ring = Ring(runtime.service, parse_keys(keys))
        self._event = sealed_event(runtime.service, known)
        self._batch = batch
        self._stretch = stretch
        self._head_seconds = head_seconds
        self._told = b""
        self._told_at = -head_seconds
        self._swept = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Seal until `stop` is set; a database that is away is waited for."""
        while not stop.is_set():
            more = False
            try:
                more = await asyncio.to_thread(self.seal)
            except SQLAlchemyError as error:
                log.warning("sealing_failed", error=where(error))
            if not more:
                await pause(stop, ROUND_SECONDS)

    def seal(self) -> bool:
        """Seal one batch in one transaction, and tell the new head if it is time; say whether more may wait."""
        with self._runtime.session(ACT) as session:
            connection = session.connection()
            if not connection.execute(select(func.pg_try_advisory_xact_lock(SEAL_LOCK))).scalar_one():
                return False
            rows = self._found(connection)
            head = self._append(connection, rows)
            telling = self._tell(session, head)
            session.commit()
        if telling:
            self._told, self._told_at = head.mac, time.monotonic()
            self._runtime.wake()
        return len(rows) == self._batch

    def _found(self, connection: Connection) -> Sequence[Any]:
        """Find unsealed rows: new ones, and if these leave room, those that committed behind a sealed one."""
        walk_indexes(connection)
        newest = newest_sealed(connection)
        rows = connection.execute(unsealed(newest).limit(self._batch)).all()
        return rows if len(rows) == self._batch else [*rows, *self._behind(connection, newest, self._batch - len(rows))]

    def _behind(self, connection: Connection, newest: int, room: int) -> Sequence[Any]:
        recent = min(newest, recent_after(connection))
        rows = connection.execute(unsealed(recent, newest).limit(room)).all()
        return rows if len(rows) == room else [*rows, *self._swept_up(connection, recent, room - len(rows))]

    def _swept_up(self, connection: Connection, recent: int, room: int) -> Sequence[Any]:
        """Look over one stretch of the older ids, the next in each round, and again from the first."""
        after = self._swept if self._swept < recent else 0
        upto = min(stretch_after(connection, after, self._stretch), recent)
        rows = connection.execute(unsealed(after, upto).limit(room)).all()
        self._swept = upto if len(rows) < room else after
        return rows

    def _append(self, connection: Connection, rows: Sequence[Any]) -> Head:
        """Chain these rows on to the last seal, in their order, and return the new head."""
        last = connection.execute(
            select(audit_seal.c.n, audit_seal.c.mac).order_by(audit_seal.c.n.desc()).limit(1)
        ).first()
        n, mac = (last.n, bytes(last.mac)) if last else (0, START)
        numbers, macs = [], []
        for row in rows:
            n += 1
            mac = self._ring.mac(self._ring.current, n, mac, canonical(row))
            numbers.append(n)
            macs.append(mac)
        if rows:
            columns = {"numbers": numbers, "ids": [row.id for row in rows], "macs": macs}
            connection.execute(APPENDED, {**columns, "key_id": self._ring.current})
        return Head(uuid5(NAMESPACE_URL, f"urn:baoho:audit:{self._runtime.service}"), n, mac, now())

    def _tell(self, session: Session, head: Head) -> bool:
        due = time.monotonic() - self._told_at >= self._head_seconds
        if self._event is None or not due or head.version == 0 or head.mac == self._told:
            return False
        publish(session, head, self._event(n=head.version, mac=head.mac.hex(), sealed_at=head.updated_at))
        return True
