"""The hotline's API, as missions, operators and intake use it."""

from typing import Any

from tests.harness import House

CASE = {
    "reference": "TPE-2026-0117",
    "country": "TW",
    "category": "labour_dispute",
    "complaint_types": ["document_retention", "unpaid_wages"],
    "person": {"name": "Nguyễn Thị Hằng", "phone": "+886912345678", "sex": "female"},
    "narrative": "Chủ giữ hộ chiếu, sáu tháng không trả lương.",
}


def post(house: House, token: Any, **changes: Any) -> Any:
    return house.client("hotline").post("/hotline/v1/cases", json={**CASE, **changes}, headers=token("mission_officer"))


def test_a_mission_posts_a_case(house: House, token: Any) -> None:
    answer = post(house, token)

    assert answer.status_code == 201, answer.text
    assert answer.json()["status"] == "posted"
    assert answer.headers["etag"] == '"1"'
