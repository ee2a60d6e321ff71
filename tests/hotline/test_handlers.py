"""What a mission learns when intake tells how a case goes on: opened, in care, closed, and nothing else."""

from typing import Any
from uuid import UUID

import pytest

from shared.bus import Retry
from shared.contracts.intake import CaseClosed, CaseInCare, CaseOpened, CaseReopened
from shared.ids import new_id
from tests.hotline.posted import NOBODY, Hotline


def opened(case_id: str | None) -> CaseOpened:
    return CaseOpened(case_id=new_id(), office="osso-ha-noi", province="01", hotline_case_id=_id(case_id))


def in_care(case_id: str | None) -> CaseInCare:
    return CaseInCare(case_id=new_id(), hotline_case_id=_id(case_id))


def closed(case_id: str | None) -> CaseClosed:
    return CaseClosed(case_id=new_id(), outcome="compensated", hotline_case_id=_id(case_id))


def reopened(case_id: str | None) -> CaseReopened:
    return CaseReopened(case_id=new_id(), hotline_case_id=_id(case_id))


def _id(case_id: str | None) -> UUID | None:
    return UUID(case_id) if case_id else None


@pytest.mark.parametrize(
    ("told", "progress"),
    [
        ([], "none"),
        ([opened], "opened"),
        ([opened, in_care], "in_care"),
        ([opened, in_care, closed], "closed"),
        ([opened, in_care, closed, reopened], "in_care"),
        ([opened, in_care, closed, reopened, closed], "closed"),
        ([in_care, opened], "in_care"),
        ([opened, closed, in_care], "closed"),
        ([closed, opened, in_care], "closed"),
        ([opened, opened, in_care, in_care], "in_care"),
        ([opened, reopened], "in_care"),
    ],
)
def test_progress_follows_what_intake_tells_and_late_news_is_ignored(
    hotline: Hotline, told: list[Any], progress: str
) -> None:
    case_id = hotline.handed_over()

    for news in told:
        hotline.house.handle("hotline", news(case_id))

    assert hotline.read(case_id, "mission_officer")["progress"] == progress


def test_a_mission_learns_neither_outcome_nor_place(hotline: Hotline) -> None:
    case_id = hotline.handed_over()
    for news in (opened, in_care, closed):
        hotline.house.handle("hotline", news(case_id))

    text = hotline.get(f"/cases/{case_id}", "mission_officer").text

    assert '"progress":"closed"' in text
    assert not [word for word in ("compensated", "osso-ha-noi", "province") if word in text]


def test_what_is_no_news_leaves_the_version_as_it_was(hotline: Hotline) -> None:
    case_id = hotline.handed_over()
    hotline.house.handle("hotline", in_care(case_id))
    before = hotline.read(case_id)["version"]

    for news in (opened, in_care):
        hotline.house.handle("hotline", news(case_id))

    assert hotline.read(case_id)["version"] == before


def test_an_event_brought_twice_has_one_effect(hotline: Hotline) -> None:
    case_id = hotline.handed_over()
    event_id = hotline.house.handle("hotline", closed(case_id))
    hotline.house.handle("hotline", reopened(case_id))

    hotline.house.handle("hotline", closed(case_id), event_id=event_id)

    assert hotline.read(case_id)["progress"] == "in_care"


@pytest.mark.parametrize("news", [opened, in_care, closed, reopened])
def test_cases_that_never_were_here_are_no_news(hotline: Hotline, news: Any) -> None:
    case_id = hotline.handed_over()

    hotline.house.handle("hotline", news(None))

    assert hotline.read(case_id)["progress"] == "none"


def test_news_of_an_unknown_case_is_tried_again_and_never_lost(hotline: Hotline) -> None:
    hotline.get("/cases")

    with pytest.raises(Retry):
        hotline.house.handle("hotline", opened(NOBODY))
