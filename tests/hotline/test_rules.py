"""What the hotline decides, without a database."""

from itertools import product
from typing import Any

import pytest

from services.hotline import rules
from services.hotline.models import CaseStatus, Category, HotlineCase, Priority, Progress
from shared.errors import IllegalTransition, InvalidInput

TOLD = [
    (Progress.NONE, Progress.OPENED),
    (Progress.NONE, Progress.IN_CARE),
    (Progress.NONE, Progress.CLOSED),
    (Progress.OPENED, Progress.IN_CARE),
    (Progress.OPENED, Progress.CLOSED),
    (Progress.IN_CARE, Progress.CLOSED),
]


def a_case(**changes: Any) -> HotlineCase:
    facts: dict[str, Any] = {
        "mission": "TW",
        "reference": "1",
        "country": "TW",
        "category": Category.LABOUR_DISPUTE,
        "complaint_types": [],
        "language": "vi",
        "status": CaseStatus.POSTED,
        "priority": Priority.P2,
        "progress": Progress.NONE,
    }
    return HotlineCase(**{**facts, **changes})


@pytest.mark.parametrize(
    ("category", "complaint_types", "priority"),
    [
        (Category.TRAFFICKING, [], Priority.P0),
        (Category.VIOLENCE, [], Priority.P0),
        (Category.DETENTION, [], Priority.P1),
        (Category.DEATH, [], Priority.P1),
        (Category.ILLNESS_ACCIDENT, [], Priority.P1),
        (Category.MISSING_PERSON, [], Priority.P1),
        (Category.LOST_PASSPORT, [], Priority.P2),
        (Category.LABOUR_DISPUTE, ["unpaid_wages"], Priority.P2),
        (Category.INFORMATION, [], Priority.P3),
        (Category.INFORMATION, ["violence_or_harassment"], Priority.P0),
        (Category.LABOUR_DISPUTE, ["unpaid_wages", "confinement"], Priority.P0),
    ],
)
def test_category_and_danger_say_how_urgent_a_case_is_at_least(
    category: Category, complaint_types: list[str], priority: Priority
) -> None:
    assert rules.suggested_priority(category, complaint_types) is priority


def test_every_status_and_progress_has_its_row() -> None:
    assert set(rules.TRANSITIONS) == set(CaseStatus)
    assert set(rules.PROGRESS) == set(Progress)


@pytest.mark.parametrize(("status", "to"), list(product(CaseStatus, CaseStatus)))
def test_a_case_takes_its_steps_in_order(status: CaseStatus, to: CaseStatus) -> None:
    case = a_case(status=status)
    allowed = (status, to) in {
        (CaseStatus.POSTED, CaseStatus.TRIAGED),
        (CaseStatus.TRIAGED, CaseStatus.TRIAGED),
        (CaseStatus.TRIAGED, CaseStatus.HANDED_OVER),
    }

    if allowed:
        rules.advance(case, to)
        assert case.status is to
    else:
        with pytest.raises(IllegalTransition):
            rules.advance(case, to)
        assert case.status is status


@pytest.mark.parametrize("priority", [Priority.P0, Priority.P1, Priority.P2])
def test_raising_needs_no_reason(priority: Priority) -> None:
    case = a_case()

    rules.triage(case, priority, reason_given=False)

    assert (case.priority, case.status) == (priority, CaseStatus.TRIAGED)


@pytest.mark.parametrize(
    ("stands", "priority"),
    [(Priority.P2, Priority.P3), (Priority.P0, Priority.P2), (Priority.P0, Priority.P1), (Priority.P3, Priority.P3)],
)
def test_lowering_below_what_stands_or_is_suggested_needs_a_reason(stands: Priority, priority: Priority) -> None:
    with pytest.raises(InvalidInput) as refused:
        rules.triage(a_case(priority=stands), priority, reason_given=False)
    explained = a_case(priority=stands)
    rules.triage(explained, priority, reason_given=True)

    assert refused.value.errors[0].pointer == "/reason"
    assert explained.priority is priority


@pytest.mark.parametrize(("progress", "to"), list(product(Progress, Progress)))
def test_progress_only_goes_on_and_late_news_is_no_news(progress: Progress, to: Progress) -> None:
    case = a_case(progress=progress)

    rules.progressed(case, to)

    assert case.progress is (to if (progress, to) in TOLD else progress)
    assert rules.is_news(a_case(progress=progress), to) is ((progress, to) in TOLD)


def test_only_a_reopening_takes_a_closed_case_on_again() -> None:
    late, reopened = a_case(progress=Progress.CLOSED), a_case(progress=Progress.CLOSED)

    rules.progressed(late, Progress.IN_CARE)
    rules.progressed(reopened, Progress.IN_CARE, reopened=True)

    assert (late.progress, reopened.progress) == (Progress.CLOSED, Progress.IN_CARE)
