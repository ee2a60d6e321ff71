"""The inbox: each event has its effect once, in one transaction; what cannot be handled is kept and parks its key."""

import random
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from itertools import takewhile
from uuid import UUID

import structlog
from opentelemetry.trace import SpanKind
from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlmodel import Session

from shared.bus import GoOn, Record, Retry
from shared.clock import now
from shared.db import is_away, is_busy
from shared.events import Envelope, Event, Handlers, PoisonError, decode
from shared.letters.acts import fail, settle, take_due
from shared.letters.model import (
    HANDLER,
    NOTED,
    WAITS,
    DeadLetter,
    LetterState,
    columns_of,
    event_id_of,
    hold_flowing,
    hold_line,
    join_line,
    storable,
)
from shared.logging import get_logger, where
from shared.runtime import Act, Runtime
from shared.tables import dead_letter, inbox
from shared.telemetry import span

DELAYS = (0.2, 1.0, 5.0, 30.0)
"""Seconds between the tries of a failing handler; after the last the event is a dead letter."""
JITTER = 0.2
AWAY = 1.0
KEPT = timedelta(days=35)
"""Longer than any topic keeps an event (30 days), so that nothing old is handled twice."""

log = get_logger("inbox")


class Inbox:
    """Handles a consuming service's records; its `accept` is what carriers call."""

    def __init__(
        self, runtime: Runtime, handlers: Handlers, known: Mapping[str, type[Event]], delays: tuple[float, ...] = DELAYS
    ) -> None:
        self._runtime = runtime
        self._handlers = handlers
        self._known = known
        self._delays = delays

    def accept(self, record: Record, attempt: int) -> None:
        """Handle one record for good, or raise `Retry`: it is never skipped, and never holds up another key for long."""
        try:
            self._accept(record, attempt)
        except SQLAlchemyError as error:
            if not (is_away(error) or is_busy(error)):
                raise
            log.warning("inbox_database_away", error=where(error))
            raise Retry(AWAY, counts=False) from error

    def together(self, records: Sequence[Record], go_on: GoOn) -> int:
        """Handle records that were not tried before in one transaction, in order; return how many of them are done for good.

        Anything that stands in the way of one undoes them all, and is no try: each is then to be brought alone.
        """
        if len(records) == 1:
            return 0
        try:
            envelopes = [decode(record, self._known) for record in records]
            return self._all(envelopes, {(record.topic, storable(record.key)) for record in records}, go_on)
        except Exception as error:  # noqa: BLE001 - brought alone, it is told apart
            log.info("handled_one_by_one", events=len(records), error=where(error))
            return 0

    def _all(self, envelopes: Sequence[Envelope], lines: Collection[tuple[str, str]], go_on: GoOn) -> int:
        """Let the handlers act, each in a session of its own, unless an earlier event of one of the keys waits."""
        wanted = [envelope.event_id for envelope in envelopes if type(envelope.event) in self._handlers]
        if not wanted:
            return len(envelopes)
        acted, done, woken = list[Envelope](), 0, False
        with self._runtime.engine.begin() as connection:
            if not hold_flowing(connection, lines):
                return 0
            new = _not_handled(connection, wanted)
            for envelope in takewhile(lambda _: go_on(), envelopes):
                if envelope.event_id in new:
                    new.remove(envelope.event_id)
                    woken |= self._effect(connection, envelope)
                    acted.append(envelope)
                done += 1
            if new:  # We were told to stop: these come again.
                connection.execute(delete(inbox).where(inbox.c.event_id.in_(new)))
        if woken:
            self._runtime.wake()
        for envelope in acted:
            self._tell(envelope)
        return done

    def _effect(self, connection: Connection, envelope: Envelope) -> bool:
        """Let one of several handlers act, and say whether it published."""
        handler = self._handlers[type(envelope.event)]
        act = _act(envelope, handler.__name__)
        with self._named(envelope), self._processing(envelope), self._runtime.session(act, connection) as session:
            handler(session, envelope.event)
            session.commit()
            return "published" in session.info

    def _tell(self, envelope: Envelope) -> None:
        with self._named(envelope):
            handler = self._handlers[type(envelope.event)]
            log.info("event_handled", type=envelope.event.type, handler=handler.__name__)

    def _accept(self, record: Record, attempt: int) -> None:
        try:
            envelope = decode(record, self._known)
        except PoisonError as error:
            self._keep(record, error.reason)
            return
        with self._named(envelope), self._processing(envelope):
            self._handle(record, envelope, attempt)

    def _named(self, envelope: Envelope) -> AbstractContextManager[object]:
        """Let every line of log say which event is in hand, and in which conversation."""
        return structlog.contextvars.bound_contextvars(
            service=self._runtime.service, correlation_id=envelope.correlation_id, event_id=str(envelope.event_id)
        )

    def _processing(self, envelope: Envelope) -> AbstractContextManager[object]:
        """Trace an event that is handled here, as what follows from the act behind it."""
        kind = type(envelope.event)
        if envelope.traceparent is None or kind not in self._handlers:
            return nullcontext()
        parent, name = envelope.traceparent, f"process {kind.type}"
        return span(self._runtime.tracer, name, SpanKind.CONSUMER, parent, event__type=kind.type)

    def _handle(self, record: Record, envelope: Envelope, attempt: int) -> None:
        handler = self._handlers.get(type(envelope.event))
        if handler is None:
            return
        with self._runtime.session(_act(envelope, handler.__name__)) as session:
            is_new, ahead = join_line(session, record, envelope.event_id)
            if not is_new:
                return
            if ahead is None:
                self._run(session, record, envelope, attempt)
            else:
                # An earlier event of this aggregate waits: for an operator, or already for its turn.
                state = LetterState.DUE if ahead is LetterState.DUE else LetterState.PARKED
                self._insert(session, record, state, WAITS)
            session.commit()
            woken = bool(session.info.get("published"))
        if woken:
            self._runtime.wake()

    def _run(self, session: Session, record: Record, envelope: Envelope, attempt: int) -> None:
        """Let the handler act, and commit; what fails is undone whole, counted as a try, and after the last one kept."""
        handler = self._handlers[type(envelope.event)]
        try:
            handler(session, envelope.event)
            session.commit()
        except Exception as error:
            if is_away(error):
                raise
            session.rollback()
            log.warning("handler_failed", type=envelope.event.type, attempt=attempt, error=where(error))
            if attempt < len(self._delays):
                raise Retry(_jittered(self._delays[attempt])) from error
            hold_line(session, record.topic, storable(record.key))
            if self._first(session, envelope.event_id):
                self._insert(session, record, LetterState.DEAD, f"{HANDLER}{_kind(error)}")
            return
        self._tell(envelope)

    def replay(self, seq: int) -> bool:
        """Handle the letter at this place of the dead letters, if it is due and the first of its line; say whether it was.

        Its effects and its new state are one transaction; if it fails, nothing of it stays, and it is dead again with its
        new reason. Raises what the database raises while it is away: then the letter is due as before.
        """
        with self._runtime.session(Act("system", "replay_letter", "unknown")) as session:
            letter = take_due(session, seq)
            if letter is None:
                return False
            try:
                envelope = decode(letter.record(), self._known)
            except PoisonError as error:
                fail(session, letter, error.reason)
                session.commit()
                return True
            with self._named(envelope), self._processing(envelope):
                self._replay(session, letter, envelope)
        if session.info.get("published"):
            self._runtime.wake()
        return True

    def _replay(self, session: Session, letter: DeadLetter, envelope: Envelope) -> None:
        """Have the effect of a letter, unless its event had it by another way, and close the letter; or see it fail."""
        handler = self._handlers.get(type(envelope.event))
        session.info["act"] = _act(envelope, handler.__name__ if handler else "ignore")
        seq, tried = letter.seq, letter.was_tried
        try:
            first = self._first(session, envelope.event_id)
            if handler is not None and (first or tried):
                handler(session, envelope.event)
            settle(letter)
            session.commit()
        except Exception as error:
            if is_away(error):
                raise
            session.rollback()
            self._fail_again(session, seq, envelope, error)
            return
        log.info("letter_replayed", letter_id=str(letter.id), type=envelope.event.type)

    def _fail_again(self, session: Session, seq: int, envelope: Envelope, error: Exception) -> None:
        log.warning("replay_failed", type=envelope.event.type, error=where(error))
        letter = take_due(session, seq)
        if letter is not None:
            self._first(session, envelope.event_id)
            fail(session, letter, f"{HANDLER}{_kind(error)}")
            session.commit()

    def _keep(self, record: Record, reason: str) -> None:
        """Store a record that cannot be decoded; once, however often it is brought."""
        log.error("event_refused", reason=reason, topic=record.topic)
        with self._runtime.session(Act("system", "keep_dead_letter", event_id_of(record) or "unknown")) as session:
            hold_line(session, record.topic, storable(record.key))
            if not self._is_kept(session, record):
                self._insert(session, record, LetterState.DEAD, reason)
                session.commit()

    def _first(self, session: Session, event_id: UUID) -> bool:
        return event_id in _not_handled(session.connection(), [event_id])

    def _is_kept(self, session: Session, record: Record) -> bool:
        """Say whether this very record is kept: a foreign writer's ids may be missing, or the same for several."""
        same = [dead_letter.c[name].is_not_distinct_from(value) for name, value in columns_of(record).items()]
        return session.connection().execute(select(dead_letter.c.id).where(*same).limit(1)).first() is not None

    def _insert(self, session: Session, record: Record, state: str, reason: str) -> None:
        session.connection().execute(insert(dead_letter).values(**columns_of(record), reason=reason, state=state))


def _not_handled(connection: Connection, event_ids: Sequence[UUID]) -> set[UUID]:
    """Note that these events are handled in this transaction, and return those that were not before."""
    return set(connection.execute(NOTED, {"ids": event_ids}).scalars())


def forget_old_events(session: Session) -> None:
    """Delete inbox rows older than any event that can still arrive."""
    session.connection().execute(delete(inbox).where(inbox.c.handled_at < now() - KEPT))


def forget_closed_letters(session: Session) -> None:
    """Delete letters closed so long ago that nothing like them can still arrive: a stranger's may hold anything."""
    closed = dead_letter.c.state.in_((LetterState.REPLAYED, LetterState.DISCARDED))
    session.connection().execute(delete(dead_letter).where(closed, dead_letter.c.updated_at < now() - KEPT))


def _act(envelope: Envelope, operation: str) -> Act:
    return Act(
        actor=f"event:{envelope.event.type}",
        operation=operation,
        correlation_id=envelope.correlation_id,
        causation_id=str(envelope.event_id),
    )


def _kind(error: Exception) -> str:
    """Name an error by its class; of a database's, by the driver's class, which stands for its SQLSTATE."""
    return type(error.orig if isinstance(error, DBAPIError) else error).__name__


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - spreads load
