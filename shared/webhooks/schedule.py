"""Decides when a delivery is tried again, and what an outcome means for its endpoint."""

import random
from datetime import datetime, timedelta
from enum import StrEnum

from shared.webhooks.outcome import Outcome, Reason

DELAYS = (
    timedelta(),
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""The wait before each of the ten tries, from the end of the one before; together they span a bit over three days."""
JITTER = 0.2
RNG = random.Random()  # noqa: S311 - jitter keeps partners from being hit all at once; nothing secret hangs on it


class Verdict(StrEnum):
    """What an outcome means for the delivery and its endpoint."""

    DELIVERED = "delivered"
    """The delivery is done."""
    DISABLE = "disable"
    """The endpoint is to be disabled at once."""
    RETRY = "retry"
    """The delivery goes on by the schedule."""
    SLOW_DOWN = "slow_down"
    """As RETRY, and the endpoint is to be given fewer messages at a time."""


VERDICTS = dict.fromkeys(Reason, Verdict.RETRY) | {
    Reason.DELIVERED: Verdict.DELIVERED,
    Reason.GONE: Verdict.DISABLE,
    Reason.SLOW_DOWN: Verdict.SLOW_DOWN,
}


def verdict(outcome: Outcome) -> Verdict:
    """Tell what `outcome` means for the delivery and its endpoint."""
    return VERDICTS[outcome.reason]


def next_attempt_at(tries_done: int, outcome: Outcome, now: datetime, rng: random.Random = RNG) -> datetime | None:
    """Return when the delivery is due again after `tries_done` tries, the last of which ended in `outcome` at `now`.

    The delays are between one try and the next, not from the first one: 5 s after the first, 5 min after the second,
    and so on, each ±20 %; never before the receiver's `Retry-After` is over. None if there is to be no further
    try: delivered, the endpoint gone, or the tenth done.
    """
    if verdict(outcome) in (Verdict.DELIVERED, Verdict.DISABLE) or tries_done >= len(DELAYS):
        return None
    delay = DELAYS[tries_done] * rng.uniform(1 - JITTER, 1 + JITTER)
    return now + max(delay, outcome.retry_after or timedelta())
