"""Auditors read the trail: who did, read or was refused what; and that they did."""

from typing import Any

from tests.harness import House
from tests.specimen import posted


def trail(house: House, token: Any, **filters: str) -> list[dict[str, Any]]:
    answer = house.client("hotline").get("/hotline/v1/audit", params=filters, headers=token("auditor"))
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def test_the_trail_of_one_record_tells_who_made_and_who_read_it(house: House, token: Any) -> None:
    case_id = posted(house, token)["id"]
    house.client("hotline").get(f"/hotline/v1/cases/{case_id}", headers=token("hotline_operator"))

    entries = trail(house, token, row_id=case_id, kind="hotline_case")

    assert [(entry["outcome"], entry["actor"]) for entry in entries] == [
        ("read", "demo:hotline_operator"),
        ("created", "demo:mission_officer"),
    ]


def test_reading_the_trail_leaves_a_trace(house: House, token: Any) -> None:
    trail(house, token)

    entries = trail(house, token, kind="audit")

    assert [(entry["outcome"], entry["actor"]) for entry in entries] == [("read", "demo:auditor")]


def test_denials_stand_in_the_trail(house: House, token: Any) -> None:
    house.client("hotline").get("/hotline/v1/cases", headers=token("analyst"))

    entries = trail(house, token, outcome="denied")

    assert [entry["actor"] for entry in entries] == ["demo:analyst"]


def test_the_trail_goes_on_page_by_page_without_gap(house: House, token: Any) -> None:
    for number in range(5):
        posted(house, token, reference=f"TPE-{number}")
    client = house.client("hotline")
    seen: list[int] = []
    url: str | None = "/hotline/v1/audit?limit=2&outcome=created"

    while url is not None:
        page = client.get(url, headers=token("auditor")).json()
        seen += [entry["id"] for entry in page["items"]]
        url = page["next"]

    assert len(seen) == 5
    assert seen == sorted(seen, reverse=True)
