"""Ten tries with growing, jittered waits; a receiver may ask for longer ones, or for no more."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.webhooks import Outcome, Reason, Verdict, next_attempt_at, verdict

NOW = datetime(2026, 11, 6, 8, 49, 37, tzinfo=UTC)
WAITS = [
    timedelta(),
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)),
]
FAILURES = sorted(set(Reason) - {Reason.DELIVERED, Reason.GONE})


def seeded(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - jitter is no secret


def outcome(reason: Reason = Reason.HTTP_ERROR, retry_after: timedelta | None = None) -> Outcome:
    return Outcome(status=500, reason=reason, retry_after=retry_after, elapsed=timedelta(seconds=1))


@given(st.integers(0, 9), st.sampled_from(FAILURES), st.integers())
def test_each_wait_is_its_own_within_a_fifth(tries_done: int, reason: Reason, seed: int) -> None:
    at = next_attempt_at(tries_done, outcome(reason), NOW, seeded(seed))

    assert at is not None
    assert WAITS[tries_done] * 0.8 <= at - NOW <= WAITS[tries_done] * 1.2


def test_the_waits_are_spread_over_the_whole_fifth() -> None:
    rng = seeded(1)

    waits = [at - NOW for _ in range(200) if (at := next_attempt_at(3, outcome(), NOW, rng))]

    assert min(waits) < WAITS[3] * 0.85
    assert max(waits) > WAITS[3] * 1.15


def test_ten_tries_end_after_some_three_days() -> None:
    at, tries_done = NOW, 0

    while due := next_attempt_at(tries_done, outcome(), at):
        at, tries_done = due, tries_done + 1

    assert tries_done == 10
    assert timedelta(hours=75.5) * 0.8 < at - NOW < timedelta(hours=75.6) * 1.2


@given(st.integers(0, 9), st.timedeltas(timedelta(), timedelta(hours=24)), st.integers())
def test_it_is_never_earlier_than_the_receiver_asked(tries_done: int, asked: timedelta, seed: int) -> None:
    at = next_attempt_at(tries_done, outcome(Reason.SLOW_DOWN, asked), NOW, seeded(seed))

    assert at is not None
    assert at - NOW >= asked
    assert at - NOW <= max(asked, WAITS[tries_done] * 1.2)


def test_asking_for_later_brings_no_eleventh_try() -> None:
    assert next_attempt_at(10, outcome(Reason.SLOW_DOWN, timedelta(hours=1)), NOW) is None


@pytest.mark.parametrize("reason", [Reason.DELIVERED, Reason.GONE])
def test_there_is_no_further_try_after_success_or_goodbye(reason: Reason) -> None:
    assert next_attempt_at(1, outcome(reason), NOW) is None


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_its_verdict(reason: Reason) -> None:
    special = {
        Reason.DELIVERED: Verdict.DELIVERED,
        Reason.GONE: Verdict.DISABLE,
        Reason.SLOW_DOWN: Verdict.SLOW_DOWN,
    }

    assert verdict(outcome(reason)) is special.get(reason, Verdict.RETRY)
