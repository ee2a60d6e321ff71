"""The rotation loop of a worker: what hangs on an older key is brought under the current one, a little at a time."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from shared.keys.dependents import Dependent
from shared.keys.ring import Finding, check
from shared.logging import get_logger, where
from shared.pausing import pause
from shared.runtime import Act, Runtime

BATCH = 100
"""Rows of one transaction: their locks are held for a fraction of a second."""
IDLE_SECONDS = 60.0

log = get_logger("keys")


class Rotation:
    """Moves everything of one service under its current keys, and knows which keys are missing."""

    def __init__(self, runtime: Runtime, dependents: Sequence[Dependent]) -> None:
        self._runtime = runtime
        self._dependents = dependents

    async def run(self, stop: asyncio.Event, *, idle: float = IDLE_SECONDS) -> None:
        """Work until `stop` is set; a row that cannot be moved is told of, passed over, and tried again in the next round."""
        while not stop.is_set():
            try:
                await asyncio.to_thread(self.round, stop)
            except SQLAlchemyError as error:
                log.warning("rotation_database_away", error=where(error))
            await pause(stop, idle)

    def round(self, stop: asyncio.Event | None = None) -> int:
        """Look at the keys, then move what is to be moved; return how many rows were."""
        findings = self.check()
        for finding in findings:
            if finding.missing:
                log.error("key_missing", kind=finding.kind, key_id=finding.key_id, needed_by=dict(finding.needed_by))
        self._runtime.keys_missing = sum(finding.missing for finding in findings)
        if not all(finding.right for finding in findings):
            return 0  # Nothing is written under a key that may be the wrong one.
        return sum(self._walk(each, stop) for each in self._dependents)

    def check(self) -> list[Finding]:
        """Return how the keys stand."""
        with self._session() as session:
            findings = check(session, self._dependents)
            session.commit()
        return findings

    def _walk(self, dependent: Dependent, stop: asyncio.Event | None) -> int:
        """Go once through everything that is due, in order of the ids, so that a row that fails is not met again."""
        moved, after = 0, None
        while not (stop is not None and stop.is_set()):
            with self._session() as session:
                ids = dependent.due(session, after, BATCH)
            if not ids:
                break
            after = ids[-1]
            done = len(ids) if self._moves(dependent, ids) else sum(self._moves(dependent, [one]) for one in ids)
            moved += done
            if not done:
                break  # A whole batch that fails is no matter of single rows.
        if moved:
            log.info("rotated", kind=dependent.kind, what=dependent.what, rows=moved)
            self._runtime.wake()
        return moved

    def _moves(self, dependent: Dependent, ids: Sequence[UUID]) -> bool:
        try:
            with self._session() as session:
                dependent.move(session, ids)
                session.commit()
        except Exception as error:  # noqa: BLE001 - whatever one row is, the others are moved
            if len(ids) == 1:
                log.warning("rotation_failed", what=dependent.what, row_id=str(ids[0]), error=where(error))
            return False
        return True

    def _session(self) -> Session:
        return self._runtime.session(Act("system:rotation", "rotate_keys", "rotation"))
