"""Cases as the hotline's tests need them, posted and moved on through its API."""

from typing import Any

from tests.harness import House

CASE: dict[str, Any] = {
    "reference": "TPE-2026-0117",
    "country": "TW",
    "category": "labour_dispute",
    "complaint_types": ["document_retention", "unpaid_wages"],
    "person": {"name": "Nguyễn Thị Hằng", "phone": "+886912345678", "sex": "female"},
    "narrative": "Chủ giữ hộ chiếu, sáu tháng không trả lương.",
}
NOBODY = "01920000-0000-7000-8000-00000000ffff"
"""An id that no row has."""
OFFICE = "osso-ha-noi"


class Hotline:
    """The hotline of one test, as a mission in Taiwan and an operator use it."""

    def __init__(self, house: House, token: Any) -> None:
        self.house = house
        self.token = token

    @property
    def client(self) -> Any:
        """Return the client of the hotline's app."""
        return self.house.client("hotline")

    def post(self, role: str = "mission_officer", claims: dict[str, str] | None = None, **changes: Any) -> Any:
        """Post the case, changed."""
        headers = self.token(role, **(claims or {}))
        return self.client.post("/hotline/v1/cases", json={**CASE, **changes}, headers=headers)

    def posted(self, **changes: Any) -> str:
        """Post the case, changed; return its id."""
        answer = self.post(**changes)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def get(self, path: str, role: str = "hotline_operator", **claims: str) -> Any:
        """Get as a role."""
        return self.client.get(f"/hotline/v1{path}", headers=self.token(role, **claims))

    def read(self, case_id: str, role: str = "hotline_operator", **claims: str) -> dict[str, Any]:
        """Read a case that the role may see."""
        answer = self.get(f"/cases/{case_id}", role, **claims)
        assert answer.status_code == 200, answer.text
        case: dict[str, Any] = answer.json()
        return case

    def triage(
        self, case_id: str, priority: str = "p2", reason: str | None = None, role: str = "hotline_operator"
    ) -> Any:
        """Triage a case as a role."""
        body = {"priority": priority, "reason": reason}
        return self.client.post(f"/hotline/v1/cases/{case_id}/triage", json=body, headers=self.token(role))

    def hand_over(self, case_id: str, office: str = OFFICE, role: str = "hotline_operator") -> Any:
        """Hand a case over as a role."""
        body = {"office": office}
        return self.client.post(f"/hotline/v1/cases/{case_id}/hand-over", json=body, headers=self.token(role))

    def handed_over(self, **changes: Any) -> str:
        """Post, triage and hand over a case; return its id."""
        case_id = self.posted(**changes)
        assert self.triage(case_id, "p0").status_code == 200
        assert self.hand_over(case_id).status_code == 200
        return case_id

    def fetch(self, case_id: str, client: str = "intake") -> Any:
        """Fetch a hand-over as a service."""
        return self.get(f"/hand-overs/{case_id}", "service", client=client, target="hotline")
