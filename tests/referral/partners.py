"""Partners, their services and what is asked of them, as the tests arrange them."""

from typing import Any
from uuid import UUID

from deploy.identity.demo import LEGAL_AID_ORG, SHELTER_ORG
from services.referral.models import Referral
from shared.clock import now
from shared.contracts.intake import ReferralRequested
from shared.ids import new_id
from tests.harness import House

OWN = str(SHELTER_ORG)
OTHER = str(LEGAL_AID_ORG)
SHELTER = {"name": "Nhà Bình Yên", "service_type": "shelter", "provinces": ["01"], "populations": ["women"]}


class Partners:
    """The administrator, the manager and the worker of one house, with short words for what they do."""

    def __init__(self, house: House, token: Any) -> None:
        self.house = house
        self.client = house.client("referral")
        self.administrator = token("administrator")
        self.manager = token("partner_manager", org=OWN)
        self.worker = token("partner_worker", org=OWN)
        self.stranger = token("partner_manager", org=OTHER)
        self.officer = token("osso_officer")

    def organization(self, organization_id: str = OWN, **changes: Any) -> dict[str, Any]:
        """Put an organisation into the directory."""
        body = {"id": organization_id, "name": "Trung tâm Phụ nữ và Phát triển", **changes}
        return self._made(self.client.post("/referral/v1/organizations", json=body, headers=self.administrator))

    def service(self, organization_id: str = OWN, **changes: Any) -> dict[str, Any]:
        """Let an organisation offer a service."""
        address = f"/referral/v1/organizations/{organization_id}/services"
        return self._made(self.client.post(address, json={**SHELTER, **changes}, headers=self.administrator))

    def update(self, address: str, body: Any, if_match: str = "*", headers: Any = None) -> Any:
        """Change a row of the directory."""
        sent = {**(headers or self.administrator), "If-Match": if_match}
        return self.client.patch(f"/referral/v1/{address}", json=body, headers=sent)

    def count(
        self, service: Any, total: int, population: str = "women", if_match: str = "*", headers: Any = None
    ) -> Any:
        """Count the beds of a service."""
        address = f"/referral/v1/services/{service['id']}/capacities/{population}"
        sent = {**(headers or self.manager), "If-Match": if_match}
        return self.client.put(address, json={"total": total}, headers=sent)

    def shelter(self, beds: int) -> dict[str, Any]:
        """Arrange an organisation with a shelter for women and its beds."""
        self.organization()
        service = self.service()
        assert self.count(service, beds).status_code == 201
        return service

    def requested(self, **changes: Any) -> ReferralRequested:
        """Return what intake says when an officer asks for the shelter."""
        values: dict[str, Any] = {
            "referral_id": new_id(),
            "case_id": new_id(),
            "organization_id": UUID(OWN),
            "service_type": "shelter",
            "priority": "p1",
            "province": "01",
            "population": "women",
            "needs_bed": True,
            "requested_at": now(),
        }
        return ReferralRequested(**{**values, **changes})

    def referral(self, **changes: Any) -> ReferralRequested:
        """Let intake ask."""
        event = self.requested(**changes)
        self.house.handle("referral", event, key=event.case_id)
        return event

    def answer(self, event: ReferralRequested, step: str, body: Any = None, headers: Any = None) -> Any:
        """Accept, decline or complete."""
        address = f"/referral/v1/referrals/{event.referral_id}/{step}"
        return self.client.post(address, json=body, headers=headers or self.worker)

    def get(self, address: str, headers: Any = None) -> Any:
        """Read as the worker, or as somebody else."""
        return self.client.get(f"/referral/v1/{address}", headers=headers or self.worker)

    def endpoint(self, url: str, headers: Any = None) -> dict[str, Any]:
        """Name where the organisation is to be told."""
        sent = headers or self.manager
        return self._made(self.client.post("/referral/v1/endpoints", json={"url": url}, headers=sent))

    def stored(self, referral_id: UUID) -> Referral:
        """Look at a referral as it is stored."""
        with self.house.session("referral") as session:
            row = session.get(Referral, referral_id)
        assert row is not None
        return row

    def beds(self, service: Any, population: str = "women") -> dict[str, Any]:
        """Look at the beds of a service as the directory shows them."""
        shown = self.get(f"services/{service['id']}", self.officer).json()["capacities"]
        return next(each for each in shown if each["population"] == population)

    @staticmethod
    def _made(answer: Any) -> dict[str, Any]:
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made
