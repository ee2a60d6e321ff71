"""Workers, agencies and contracts as the registry's tests need them, registered through its API."""

import itertools
from typing import Any
from uuid import UUID

from shared.codes.identity_numbers import IdKind
from shared.contracts.intake import ContractLinkRequested
from shared.ids import new_id
from shared.person import pseudonym_of
from tests.harness import House

PERSON = {
    "name": "Nguyễn Thị Hằng",
    "born_on": "2001-05-17",
    "sex": "female",
    "document": "cccd",
    "document_number": "001301004321",
    "phone": "+84912345678",
}
AGENCY = {
    "name": "Công ty Cổ phần Nhân lực Sông Hồng",
    "licence_number": "123/LĐTBXH-GP",
    "address": "12 Láng Hạ, Hà Nội",
    "phone": "02438512345",
    "website": "https://songhong.example",
    "licence_status_on": "2020-03-01",
}
CONTRACT = {
    "market": "JP",
    "job": "trainee",
    "monthly_wage": {"amount": "27000000", "currency": "VND"},
    "months": 36,
    "sending_contract_signed_on": "2025-03-01",
    "supply_contract_approved_on": "2025-02-01",
}
SERVICE_FEE = {
    "kind": "service_fee",
    "money": {"amount": "190000000", "currency": "VND"},
    "paid_on": "2025-03-02",
}
BROKERAGE = {"kind": "brokerage", "money": {"amount": "20000000", "currency": "VND"}, "paid_on": "2025-01-10"}
NOBODY = "01920000-0000-7000-8000-00000000ffff"
"""An id that no row has."""


class Registry:
    """The registry of one test, as a clerk arranges it."""

    def __init__(self, house: House, token: Any) -> None:
        self.house = house
        self.token = token
        self._numbers = itertools.count(1)

    def post(self, path: str, body: Any, role: str = "registry_clerk", **claims: Any) -> Any:
        """Post as a role."""
        return self._client().post(f"/registry/v1{path}", json=body, headers=self.token(role, **claims))

    def get(self, path: str, role: str = "registry_clerk", **claims: Any) -> Any:
        """Get as a role."""
        return self._client().get(f"/registry/v1{path}", headers=self.token(role, **claims))

    def patch(self, path: str, body: Any, if_match: str, role: str = "registry_clerk", **claims: Any) -> Any:
        """Change as a role what was read with this ETag."""
        headers = {**self.token(role, **claims), "If-Match": if_match}
        return self._client().patch(f"/registry/v1{path}", json=body, headers=headers)

    def agency(self, **changes: Any) -> dict[str, Any]:
        """Register an agency with an enterprise code of its own."""
        code = f"01{next(self._numbers):08d}"
        return self._stored(self.post("/agencies", {**AGENCY, "enterprise_code": code, **changes}))

    def worker(self, province: str = "01", **changes: Any) -> dict[str, Any]:
        """Register a worker."""
        return self._stored(self.post("/workers", {"person": {**PERSON, **changes}, "province": province}))

    def contract(self, worker: dict[str, Any], agency: dict[str, Any], **changes: Any) -> dict[str, Any]:
        """Register a contract between the two."""
        return self._stored(self.post("/contracts", self.contract_body(worker, agency, **changes)))

    def contract_body(self, worker: dict[str, Any], agency: dict[str, Any], **changes: Any) -> dict[str, Any]:
        """Return what registers a contract between the two."""
        return {**CONTRACT, "worker_id": worker["id"], "agency_id": agency["id"], **changes}

    def pseudonym(self, document: str = "cccd", number: str = str(PERSON["document_number"])) -> str:
        """Return the pseudonym that intake would send for a document."""
        return pseudonym_of(self.house.runtime("registry").vault, IdKind(document), number)

    def ask_for_link(self, pseudonym: str, case_id: UUID | None = None) -> UUID:
        """Let intake ask which contract the person of a case has; return the case."""
        case_id = case_id or new_id()
        self.house.handle("registry", ContractLinkRequested(case_id=case_id, pseudonym=pseudonym), key=case_id)
        return case_id

    def fetch(self, case_id: object, client: str = "intake") -> Any:
        """Fetch a link as a service."""
        return self.get(f"/contract-links/{case_id}", "service", client=client, target="registry")

    def _client(self) -> Any:
        return self.house.client("registry")

    def _stored(self, answer: Any) -> dict[str, Any]:
        assert answer.status_code == 201, answer.text
        stored: dict[str, Any] = answer.json()
        return stored
