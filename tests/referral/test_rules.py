"""What referral decides, without a database."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.referral import rules
from services.referral.models import (
    Capacity,
    DisabledReason,
    Endpoint,
    Priority,
    Referral,
    ReferralStatus,
    Service,
)
from shared.contracts.referral import Population, ServiceType
from shared.errors import Conflict, IllegalTransition, InvalidInput
from shared.ids import new_id
from shared.webhooks import Outcome, Reason

NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)  # A Friday, ten in the morning in Viet Nam.
FIVE_PM_UTC = 17  # Midnight in Viet Nam.


def a_referral(**changes: Any) -> Referral:
    values = {
        "service_type": ServiceType.SHELTER,
        "province": "01",
        "population": Population.WOMEN,
        "needs_bed": True,
        "status": ReferralStatus.REQUESTED,
    }
    return Referral(**{**values, **changes})


def a_service(seq: int, **changes: Any) -> Service:
    values = {"seq": seq, "service_type": ServiceType.SHELTER, "provinces": ["01"], "populations": ["women"]}
    return Service(**{**values, **changes})


def beds(service: Service, total: int, held: int = 0, **changes: Any) -> Capacity:
    values = {"service_id": service.id, "population": Population.WOMEN, "counted_at": NOW}
    return Capacity(total=total, held=held, **{**values, **changes})


def an_endpoint() -> Endpoint:
    return Endpoint(organization_id=new_id(), url="https://example.org")


def an_outcome(reason: Reason, retry_after: timedelta | None = None) -> Outcome:
    return Outcome(None, reason, retry_after, timedelta())


def test_every_status_has_its_steps() -> None:
    assert rules.TRANSITIONS.keys() == set(ReferralStatus)


def test_a_step_that_is_not_allowed_says_which_are() -> None:
    referral = a_referral(status=ReferralStatus.ROUTED)

    with pytest.raises(IllegalTransition) as refused:
        rules.advance(referral, ReferralStatus.COMPLETED)

    assert refused.value.members["allowed"] == ["accepted", "cancelled", "declined"]
    assert referral.status is ReferralStatus.ROUTED


def test_a_step_takes_its_reason_along() -> None:
    referral = a_referral(status=ReferralStatus.ACCEPTED)

    rules.advance(referral, ReferralStatus.CANCELLED, "consent_withdrawn")

    assert (referral.status, referral.reason) == (ReferralStatus.CANCELLED, "consent_withdrawn")
    assert not rules.is_open(referral)


@pytest.mark.parametrize(
    ("priority", "asked_at", "due_at"),
    [
        (Priority.P0, NOW, NOW + timedelta(hours=1)),
        (Priority.P1, NOW, NOW.replace(hour=FIVE_PM_UTC)),
        (Priority.P1, NOW.replace(hour=18), NOW.replace(day=21, hour=FIVE_PM_UTC)),
        # Tuesday, 24 November, is a public holiday.
        (Priority.P2, NOW, NOW.replace(day=25, hour=FIVE_PM_UTC)),
        (Priority.P3, NOW.replace(day=16), NOW.replace(day=18, hour=FIVE_PM_UTC)),
    ],
)
def test_an_answer_is_due_by_the_priority(priority: Priority, asked_at: datetime, due_at: datetime) -> None:
    assert rules.due_at(priority, asked_at) == due_at


@pytest.mark.parametrize(
    "changes",
    [
        {"active": False},
        {"service_type": ServiceType.MEDICAL},
        {"provinces": ["79"]},
        {"populations": ["men", "children"]},
    ],
)
def test_a_service_that_does_not_fit_is_never_chosen(changes: dict[str, Any]) -> None:
    assert rules.best_service(a_referral(), [a_service(1, **changes)], [], NOW) is None


def test_what_serves_everywhere_and_everybody_fits() -> None:
    service = a_service(1, provinces=[], populations=["any"])

    assert rules.best_service(a_referral(), [service], [], NOW) is service


def test_a_client_of_no_named_group_goes_only_where_everybody_may() -> None:
    for_women, for_all = a_service(1), a_service(2, populations=["any"])

    assert rules.best_service(a_referral(population=Population.ANY), [for_women, for_all], [], NOW) is for_all


def test_without_a_bed_the_service_that_stands_longest_is_chosen() -> None:
    older, newer = a_service(1), a_service(2)

    assert rules.best_service(a_referral(needs_bed=False), [newer, older], [beds(newer, 9)], NOW) is older


def test_the_most_free_beds_come_first_then_the_unknown_then_the_full() -> None:
    full, stale, uncounted, few, many = (a_service(seq) for seq in range(1, 6))
    counts = [
        beds(full, 5, held=5),
        beds(stale, 50, counted_at=NOW - timedelta(hours=25)),
        beds(few, 2),
        beds(many, 9, held=6),
        beds(few, 100, population=Population.MEN),
    ]
    left = [full, stale, uncounted, few, many]
    order = []
    while left:
        best = rules.best_service(a_referral(), left, counts, NOW)
        assert best is not None
        order.append(best)
        left.remove(best)

    assert order == [many, few, stale, uncounted, full]


def test_beds_for_anybody_count_for_everyone() -> None:
    women, anybody = a_service(1), a_service(2)
    counts = [beds(women, 2), beds(anybody, 1), beds(anybody, 2, population=Population.ANY)]

    assert rules.best_service(a_referral(), [women, anybody], counts, NOW) is anybody


def test_a_bed_of_the_own_population_is_taken_before_one_for_anybody() -> None:
    service = a_service(1)
    own, anybody = beds(service, 1), beds(service, 1, population=Population.ANY)

    chosen = [rules.choose_bed([anybody, own], Population.WOMEN) for _ in range(2)]

    assert chosen == [own, anybody]
    with pytest.raises(Conflict, match="conflict"):
        rules.choose_bed([own, anybody], Population.WOMEN)


@pytest.mark.parametrize(
    ("url", "production"),
    [
        ("https://hooks.example.org/baoho", True),
        ("https://8.8.8.8/", True),
        ("http://127.0.0.1:9000/hook", False),
        ("http://localhost:9000/hook", False),
    ],
)
def test_an_address_that_can_be_public_is_taken(url: str, production: bool) -> None:
    rules.check_receiver(url, production=production)


@pytest.mark.parametrize(
    ("url", "production"),
    [
        ("http://hooks.example.org/", True),
        ("https://127.0.0.1/", True),
        ("https://10.0.0.8/", True),
        ("https://[::1]/", True),
        ("https://169.254.169.254/latest", False),
        ("https://user:pass@example.org/", False),
        ("ftp://example.org/", False),
    ],
)
def test_an_address_that_is_never_public_is_refused_without_repeating_it(url: str, production: bool) -> None:
    with pytest.raises(InvalidInput) as refused:
        rules.check_receiver(url, production=production)

    assert [error.pointer for error in refused.value.errors] == ["/url"]
    assert url not in str(refused.value.errors)


def test_a_success_is_no_news_of_an_endpoint_that_is_well() -> None:
    endpoint = an_endpoint()

    assert not rules.is_news(endpoint, an_outcome(Reason.DELIVERED))
    assert rules.is_news(endpoint, an_outcome(Reason.TIMEOUT))


def test_a_failing_endpoint_is_well_again_after_a_success() -> None:
    endpoint = an_endpoint()
    rules.note_outcome(endpoint, an_outcome(Reason.SLOW_DOWN, timedelta(minutes=5)), NOW)
    failing = (endpoint.failing_since, endpoint.slow_until)

    rules.note_outcome(endpoint, an_outcome(Reason.DELIVERED), NOW + timedelta(hours=1))

    assert failing == (NOW, NOW + timedelta(minutes=5))
    assert (endpoint.failing_since, endpoint.slow_until, endpoint.active) == (None, None, True)


def test_a_gone_endpoint_is_disabled_at_once_and_a_failing_one_after_three_days() -> None:
    gone, failing = an_endpoint(), an_endpoint()
    rules.note_outcome(gone, an_outcome(Reason.GONE), NOW)
    rules.note_outcome(failing, an_outcome(Reason.TIMEOUT), NOW)
    rules.note_outcome(failing, an_outcome(Reason.TIMEOUT), NOW + timedelta(days=2))
    after_two_days = (failing.active, rules.is_failing_long(failing, NOW + timedelta(days=2)))

    rules.note_outcome(failing, an_outcome(Reason.TIMEOUT), NOW + timedelta(days=3))

    assert (gone.active, gone.disabled_reason) == (False, DisabledReason.GONE)
    assert after_two_days == (True, True)
    assert (failing.active, failing.disabled_reason) == (False, DisabledReason.FAILING)
    assert not rules.is_news(failing, an_outcome(Reason.TIMEOUT))
