"""What a status says, and how a `Retry-After` is read."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.webhooks import Reason, parse_retry_after
from shared.webhooks.outcome import reason_of_status

NOW = datetime(2026, 11, 6, 8, 49, 37, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (101, Reason.HTTP_ERROR),
        (200, Reason.DELIVERED),
        (204, Reason.DELIVERED),
        (299, Reason.DELIVERED),
        (300, Reason.REDIRECT),
        (304, Reason.REDIRECT),
        (399, Reason.REDIRECT),
        (400, Reason.HTTP_ERROR),
        (404, Reason.HTTP_ERROR),
        (410, Reason.GONE),
        (429, Reason.SLOW_DOWN),
        (500, Reason.HTTP_ERROR),
        (502, Reason.SLOW_DOWN),
        (503, Reason.HTTP_ERROR),
        (504, Reason.SLOW_DOWN),
        (999, Reason.HTTP_ERROR),
    ],
)
def test_a_status_has_its_reason(status: int, reason: Reason) -> None:
    assert reason_of_status(status) is reason


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("120", timedelta(minutes=2)),
        (" 120 ", timedelta(minutes=2)),
        ("0", timedelta()),
        ("-5", timedelta()),
        ("86400", timedelta(hours=24)),
        ("86401", timedelta(hours=24)),
        ("9999999999", timedelta(hours=24)),
        ("Fri, 06 Nov 2026 08:51:37 GMT", timedelta(minutes=2)),
        ("Fri, 06 Nov 2026 08:49:37 GMT", timedelta()),
        ("Sun, 06 Nov 1994 08:49:37 GMT", timedelta()),
        ("Fri, 31 Dec 9999 23:59:59 GMT", timedelta(hours=24)),
    ],
)
def test_a_retry_after_is_read_and_bounded(value: str, wait: timedelta) -> None:
    assert parse_retry_after(value, NOW) == wait


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "soon",
        "1.5",
        "1e3",
        "2 minutes",
        "٣٠",
        "9" * 5000,
        "Fri, 06 Nov 2026 08:51:37",
        "Fri, 06 Nov 2026 08:51:37 +0700",
        "Fri, 31 Nov 2026 08:51:37 GMT",
        "2026-11-06T08:51:37Z",
    ],
)
def test_nonsense_asks_for_nothing(value: str | None) -> None:
    assert parse_retry_after(value, NOW) is None


@given(st.text() | st.integers().map(str))
def test_whatever_it_holds_the_wait_is_bounded(value: str) -> None:
    wait = parse_retry_after(value, NOW)

    assert wait is None or timedelta() <= wait <= timedelta(hours=24)
