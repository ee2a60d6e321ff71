"""Who sees what at the hotline: everything is denied unless it is granted."""

from typing import Any

import pytest

from services.hotline import access
from services.hotline.models import HotlineCase
from shared.auth import Principal
from shared.permissions import Role
from tests.hotline.posted import CASE, NOBODY, Hotline

OUTSIDERS = sorted(set(Role) - {Role.SERVICE, Role.MISSION_OFFICER, Role.HOTLINE_OPERATOR})
REQUESTS: list[tuple[str, str, Any]] = [
    ("POST", "/cases", CASE),
    ("GET", "/cases", None),
    ("GET", f"/cases/{NOBODY}", None),
    ("POST", f"/cases/{NOBODY}/triage", {"priority": "p1"}),
    ("POST", f"/cases/{NOBODY}/hand-over", {"office": "osso-ha-noi"}),
    ("GET", f"/hand-overs/{NOBODY}", None),
]


def ask(hotline: Hotline, headers: dict[str, str]) -> list[int]:
    return [
        hotline.client.request(
            method, f"/hotline/v1{path}", json=body, headers={**headers, "Idempotency-Key": "one"}
        ).status_code
        for method, path, body in REQUESTS
    ]


@pytest.mark.parametrize("role", OUTSIDERS)
def test_outsiders_see_and_do_nothing(hotline: Hotline, role: str) -> None:
    assert ask(hotline, hotline.token(role)) == [403] * len(REQUESTS)


def test_nobody_without_a_token_sees_anything(hotline: Hotline) -> None:
    assert ask(hotline, {}) == [401] * len(REQUESTS)


def test_a_mission_posts_and_reads_but_neither_triages_nor_hands_over_nor_fetches(hotline: Hotline) -> None:
    assert ask(hotline, hotline.token("mission_officer")) == [201, 200, 404, 403, 403, 403]


def test_an_operator_does_all_but_fetch(hotline: Hotline) -> None:
    assert ask(hotline, hotline.token("hotline_operator")) == [201, 200, 404, 404, 404, 403]


def test_a_service_fetches_and_does_nothing_else(hotline: Hotline) -> None:
    headers = hotline.token("service", client="intake", target="hotline")

    assert ask(hotline, headers) == [403, 403, 403, 403, 403, 404]


def test_a_mission_without_a_country_is_granted_nothing(hotline: Hotline) -> None:
    stateless = Principal("x", frozenset({Role.MISSION_OFFICER}))
    hotline.handed_over()

    with hotline.house.session("hotline") as session:
        assert session.exec(access.visible_cases(stateless)).all() == []
        assert session.exec(access.visible_hand_overs(stateless)).all() == []

    assert not access.posts_for(stateless, "TW")


def test_a_country_in_a_token_grants_nothing_to_another_role(hotline: Hotline) -> None:
    analyst = Principal("x", frozenset({Role.ANALYST}), country="TW")
    hotline.posted()

    with hotline.house.session("hotline") as session:
        cases: list[HotlineCase] = list(session.exec(access.visible_cases(analyst)))

    assert cases == []
    assert not access.posts_for(analyst, "TW")
    assert not access.sees_office(analyst)
