"""What is due, to whom, and what came of it: deliveries are leased for a while, so that a lost dispatcher loses none."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import CursorResult, insert, text, update
from sqlmodel import Session, col

from services.referral import access, rules
from services.referral.models import Attempt, Delivery, DeliveryStatus
from shared.access import locked
from shared.clock import now
from shared.ids import new_id
from shared.logging import get_logger
from shared.runtime import Act, Runtime
from shared.webhooks import Outcome, Verdict, verdict

IN_FLIGHT = 5
"""Messages that one endpoint is sent at a time."""
LEASE = timedelta(seconds=60)
"""Well over the deadline of one exchange: what is not recorded by then is sent again, with the same id."""

Schedule = Callable[[int, Outcome, datetime], datetime | None]
"""When the next try is due after so many, the last of which ended so: `shared.webhooks.next_attempt_at`."""

GIVE_UP = text(
    """
    UPDATE delivery SET status = 'failed', lease_token = NULL, leased_until = NULL
    FROM endpoint
    WHERE endpoint.id = delivery.endpoint_id AND NOT endpoint.active
      AND delivery.status = 'pending' AND (delivery.leased_until IS NULL OR delivery.leased_until < :at)
    """
)
"""Nothing more is sent to an endpoint that was disabled; what is in flight there ends by itself."""

CLAIM = text(
    """
    SELECT endpoint.id FROM endpoint JOIN organization ON organization.id = endpoint.organization_id
    WHERE endpoint.active AND organization.active
      AND EXISTS (SELECT FROM delivery WHERE delivery.endpoint_id = endpoint.id
                  AND delivery.status = 'pending' AND delivery.due_at <= :at)
    FOR NO KEY UPDATE OF endpoint SKIP LOCKED
    """
)
"""Endpoints with work; locked, so that of two dispatchers one counts what is in flight there, and then leases."""

TAKE = text(
    """
    WITH due AS (
      SELECT picked.id FROM endpoint CROSS JOIN LATERAL (
        SELECT delivery.id FROM delivery
        WHERE delivery.endpoint_id = endpoint.id AND delivery.status = 'pending' AND delivery.due_at <= :at
          AND (delivery.leased_until IS NULL OR delivery.leased_until < :at)
          AND NOT EXISTS (SELECT FROM delivery earlier
                          WHERE earlier.endpoint_id = endpoint.id AND earlier.referral_id = delivery.referral_id
                            AND earlier.status = 'pending' AND earlier.seq < delivery.seq)
        ORDER BY delivery.due_at, delivery.seq
        LIMIT greatest(0, CASE WHEN endpoint.slow_until > :at THEN 1 ELSE :in_flight END - (
          SELECT count(*) FROM delivery busy
          WHERE busy.endpoint_id = endpoint.id AND busy.status = 'pending' AND busy.leased_until >= :at))
        FOR UPDATE SKIP LOCKED
      ) picked
      WHERE endpoint.id = ANY(:endpoints)
    )
    UPDATE delivery SET lease_token = :token, leased_until = :until
    FROM due, endpoint, message
    WHERE delivery.id = due.id AND endpoint.id = delivery.endpoint_id AND message.id = delivery.message_id
    RETURNING delivery.id AS delivery_id, delivery.tries, endpoint.id AS endpoint_id, endpoint.url, endpoint.secret,
      message.id AS message_id, message.type, message.payload, message.correlation_id, message.traceparent,
      message.created_at
    """
)
"""The longest due of each endpoint, as many as it may still get; of one referral only the oldest message."""

log = get_logger("dispatcher")


@dataclass(frozen=True, slots=True)
class Leased:
    """A delivery in hand: nobody else sends it until the lease is over."""

    delivery_id: UUID
    token: UUID
    tries: int
    endpoint_id: UUID
    url: str
    secret: bytes
    message_id: str
    type: str
    payload: dict[str, str]
    correlation_id: str
    traceparent: str | None
    created_at: datetime


class Leases:
    """Leases due deliveries and records their outcomes, each in a short transaction of its own."""

    def __init__(self, runtime: Runtime, *, in_flight: int, lease: timedelta, schedule: Schedule) -> None:
        self._runtime = runtime
        self._in_flight = in_flight
        self._lease = lease
        self._schedule = schedule

    def take(self) -> Sequence[Leased]:
        """Lease what is due, endpoint by endpoint, so that a long queue at one keeps nobody else waiting."""
        at, token = now(), new_id()
        with self._runtime.engine.begin() as connection:
            connection.execute(GIVE_UP, {"at": at})
        with self._runtime.engine.begin() as connection:
            endpoints = list(connection.execute(CLAIM, {"at": at}).scalars())
            if not endpoints:
                return []
            values = {"at": at, "token": token, "until": at + self._lease, "in_flight": self._in_flight}
            rows = connection.execute(TAKE, {**values, "endpoints": endpoints}).mappings().all()
        return [Leased(token=token, **row) for row in rows]

    def record(self, leased: Leased, outcome: Outcome, began_at: datetime) -> None:
        """Keep a try, and settle its delivery unless the lease was lost to another; then only the try is kept."""
        with self._runtime.session(Act("system:dispatcher", "deliver", leased.correlation_id)) as session:
            session.connection().execute(insert(Attempt).values(**_attempt(leased, outcome, began_at)))
            if self._settle(session, leased, outcome):
                _note_outcome(session, leased.endpoint_id, outcome)
            session.commit()

    def _settle(self, session: Session, leased: Leased, outcome: Outcome) -> bool:
        due_at = self._schedule(leased.tries + 1, outcome, now())
        values: dict[str, Any] = {"tries": leased.tries + 1, "lease_token": None, "leased_until": None}
        if verdict(outcome) is Verdict.DELIVERED:
            values["status"] = DeliveryStatus.DELIVERED
        elif due_at is None:
            values["status"] = DeliveryStatus.FAILED
        else:
            values["due_at"] = due_at
        ours = update(Delivery).where(col(Delivery.id) == leased.delivery_id, col(Delivery.lease_token) == leased.token)
        settled: CursorResult[Any] = session.connection().execute(ours.values(**values))
        return settled.rowcount == 1


def _attempt(leased: Leased, outcome: Outcome, began_at: datetime) -> dict[str, Any]:
    return {
        "id": new_id(),
        "delivery_id": leased.delivery_id,
        "at": began_at,
        "status_code": outcome.status,
        "reason": outcome.reason,
        "elapsed_ms": round(outcome.elapsed.total_seconds() * 1000),
    }


def _note_outcome(session: Session, endpoint_id: UUID, outcome: Outcome) -> None:
    """Let the endpoint's standing follow; while all is well it is not even locked."""
    if not rules.is_news(session.exec(access.endpoint_of(endpoint_id)).one(), outcome):
        return
    endpoint = locked(session, access.endpoint_of(endpoint_id))
    rules.note_outcome(endpoint, outcome, now())
    if not endpoint.active:
        log.warning("endpoint_disabled", endpoint_id=str(endpoint_id), reason=endpoint.disabled_reason)
    elif rules.is_failing_long(endpoint, now()):
        log.warning("endpoint_failing", endpoint_id=str(endpoint_id), since=str(endpoint.failing_since))
