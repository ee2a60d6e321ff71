"""Around every request: one correlation id, in the answer, the events and the audit trail alike."""

from typing import Any
from uuid import UUID

import pytest

from tests.harness import House
from tests.specimen import CASE, client_of, dry_runtime, specimen

SHEET = "/hotline/specimen/sheets/x"


@pytest.mark.parametrize("sent", ["a", "A-b-9", "x" * 64, "01920000-0000-7000-8000-000000000001"])
def test_a_well_formed_correlation_id_is_kept(sent: str) -> None:
    answer = client_of(specimen(dry_runtime())).get(SHEET, headers={"X-Correlation-Id": sent})

    assert answer.headers["x-correlation-id"] == sent


@pytest.mark.parametrize(
    "sent", ["", " ", "a b", "x" * 65, "ằ", "a\tb", "a_b", "a/b", "<script>", "a;b", "Nguyễn Thị Hằng"]
)
def test_any_other_correlation_id_is_replaced(sent: str) -> None:
    answer = client_of(specimen(dry_runtime())).get(SHEET, headers={b"X-Correlation-Id": sent.encode()})

    assert UUID(answer.headers["x-correlation-id"]).version == 7


def test_every_answer_has_a_correlation_id_whatever_its_status() -> None:
    client = client_of(specimen(dry_runtime()))

    answers = [client.get(path) for path in (SHEET, "/nowhere", "/hotline/specimen/actor", "/hotline/livez")]

    assert [answer.status_code for answer in answers] == [200, 404, 401, 200]
    assert len({answer.headers["x-correlation-id"] for answer in answers}) == 4


def test_the_correlation_id_goes_on_with_the_event(house: House, token: Any) -> None:
    headers = {**token("mission_officer"), "X-Correlation-Id": "conversation-7"}

    house.client("hotline").post("/hotline/v1/cases", json=CASE, headers=headers)

    (waiting,) = house._waiting("hotline")
    assert waiting["headers"]["ce_correlationid"] == "conversation-7"
