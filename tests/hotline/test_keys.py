"""An erasure that is applied again after a restore takes all that a caller said with it."""

from typing import Any

import pytest
from sqlmodel import select

from services.hotline.keys import erase_again
from services.hotline.models import HotlineCase
from shared.clock import now
from shared.errors import PersonErased
from shared.ids import new_id
from shared.people import seal
from tests.harness import House
from tests.keyring import KeyRing
from tests.specimen import CASE, posted


def test_an_erasure_of_the_ledger_leaves_nothing_of_a_caller(house: House, token: Any) -> None:
    case = posted(house, token)

    with house.session("hotline") as session:
        erase_again(session, session.exec(select(HotlineCase)).one().caller_id, now())
        session.commit()

    with house.session("hotline") as session:
        stored = session.exec(select(HotlineCase)).one()
    assert (stored.caller, stored.narrative, stored.triage_reason, stored.content_mac) == (None, None, None, None)
    read = house.client("hotline").get(f"/hotline/v1/cases/{case['id']}", headers=token("hotline_operator"))
    assert (read.json()["person"], read.json()["narrative"]) == (None, None)


def test_whoever_came_after_the_backup_and_was_erased_cannot_be_sealed_again(house: House) -> None:
    stranger = new_id()

    with house.session("hotline") as session:
        erase_again(session, stranger, now())

        with pytest.raises(PersonErased):
            seal(session, stranger, "hotline_case.caller", "Hằng")


def test_a_repeat_is_still_known_when_the_key_of_its_time_is_gone(house: House, token: Any) -> None:
    case = posted(house, token)
    ring = KeyRing(house)
    ring.turn("hotline", "service", "k2", "k1")
    ring.round("hotline")
    ring.turn("hotline", "service", "k2")
    client, headers = house.client("hotline"), token("mission_officer")

    again = client.post("/hotline/v1/cases", json=CASE, headers=headers)
    other = client.post("/hotline/v1/cases", json={**CASE, "narrative": "…"}, headers=headers)

    assert (again.status_code, again.json()["id"], other.status_code) == (200, case["id"], 409)
