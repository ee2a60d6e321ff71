"""An office at work: who calls intake, and the stories most tests begin with."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from services.intake.handlers import APPLY
from shared import codes
from shared.contracts.hotline import HandOverDetails
from shared.contracts.referral import OrganizationListed, ReferralAccepted
from shared.contracts.registry import ContractDetails, FindingDetails
from shared.events import Event
from shared.fetch import ReadModel
from shared.ids import new_id
from shared.money import Money
from shared.tables import audit, fetch
from tests.harness import House

PERSON = {
    "name": "Nguyễn Thị Hằng",
    "born_on": "1996-03-08",
    "sex": "female",
    "document": "cccd",
    "document_number": "040 196 012345",
    "phone": "0981848484",
}
NARRATIVE = "Công ty thu 190 triệu và giữ hộ chiếu của chị."
CASE = {
    "person": PERSON,
    "channel": "walk_in",
    "country": "TW",
    "language": "vi",
    "complaint_types": ["broker_fee", "document_retention"],
    "narrative": NARRATIVE,
    "respondent": "agency",
    "received_on": "2026-11-02",
    "priority": "p2",
}
CONSENT = {
    "purpose": "referral",
    "service_type": "legal_aid",
    "fields": ["name", "phone"],
    "language": "vi",
    "text_version": "2026-1",
    "method": "signed",
}
PERSONAL = ("Hằng", "Hang", "040196012345", "040 196", "84981848484", "0981848484", "190 triệu", "1996-03-08")
"""What must never be seen outside a case."""


class World:
    """Intake, and the people who call it."""

    def __init__(self, house: House, token: Any) -> None:
        self.house = house
        self.token = token
        self.api = house.client("intake")
        self.officer = token("osso_officer", sub="officer:an")
        self.colleague = token("osso_officer", sub="officer:binh")
        self.supervisor = token("osso_supervisor", sub="supervisor:chi")
        self.stranger = token("osso_officer", sub="officer:xa", office="osso-can-tho", province="92")
        self.partner_id = new_id()
        self.partner = token("partner_worker", sub="partner:dao", org=str(self.partner_id))

    def get(self, path: str, headers: Any = None) -> Any:
        return self.api.get(f"/intake/v1{path}", headers=headers or self.officer)

    def post(self, path: str, body: Any = None, headers: Any = None, **more: str) -> Any:
        return self.api.post(f"/intake/v1{path}", json=body, headers={**(headers or self.officer), **more})

    def patch(self, path: str, body: Any, etag: str | None, headers: Any = None) -> Any:
        match = {"If-Match": etag} if etag else {}
        return self.api.patch(f"/intake/v1{path}", json=body, headers={**(headers or self.officer), **match})

    def register(self, headers: Any = None, **changes: Any) -> Any:
        """Register a case; return its body."""
        answer = self.post("/cases", {**CASE, **changes}, headers)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def handle(self, event: Event, **options: Any) -> UUID:
        return self.house.handle("intake", event, **options)

    def list_partner(self, organization_id: UUID | None = None, *, active: bool = True) -> UUID:
        """Let the directory list an organisation."""
        listed = organization_id or self.partner_id
        self.handle(OrganizationListed(organization_id=listed, active=active))
        return listed

    def consent(self, case_id: str, **changes: Any) -> Any:
        """Record a consent to legal aid by the partner; return its body."""
        body = {**CONSENT, "organization_id": str(self.partner_id), **changes}
        answer = self.post(f"/cases/{case_id}/consents", body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def referral(self, case_id: str, **changes: Any) -> Any:
        """Ask the partner for legal aid; return the referral's body."""
        body = {"organization_id": str(self.partner_id), "service_type": "legal_aid", **changes}
        answer = self.post(f"/cases/{case_id}/referrals", body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def referred(self, **changes: Any) -> tuple[str, str, str]:
        """Tell the whole story up to a referral; return the ids of case, consent and referral."""
        self.list_partner()
        case_id = self.register()["id"]
        consent_id = self.consent(case_id, **changes)["id"]
        return case_id, consent_id, self.referral(case_id)["id"]

    def accept(self, case_id: str, referral_id: str, *, bed_held: bool = False) -> None:
        """Let the partner accept."""
        ids = {"referral_id": UUID(referral_id), "case_id": UUID(case_id)}
        self.handle(ReferralAccepted(**ids, organization_id=self.partner_id, bed_held=bed_held))

    def resolve(self, case_id: str, headers: Any = None, **changes: Any) -> Any:
        return self.post(f"/cases/{case_id}/resolution", {"outcome": "refunded", **changes}, headers)

    def confirm(self, case_id: str, headers: Any = None, *, satisfied: bool = True) -> Any:
        body = {"method": "in_person", "satisfied": satisfied}
        return self.post(f"/cases/{case_id}/confirmations", body, headers or self.colleague)

    def closed(self, case_id: str) -> None:
        """Bring a case to its end by three people."""
        for answer in (
            self.resolve(case_id),
            self.confirm(case_id),
            self.post(f"/cases/{case_id}/close", headers=self.supervisor),
        ):
            assert answer.status_code == 200, answer.text

    def told(self, case_id: str) -> list[str]:
        """Return the codes of a case's timeline, oldest first."""
        page = self.get(f"/cases/{case_id}/timeline?limit=100").json()
        return [step["code"] for step in reversed(page["items"])]

    def status(self, case_id: str) -> str:
        return str(self.get(f"/cases/{case_id}").json()["status"])

    def referral_of(self, case_id: str) -> Any:
        """Return the case's newest referral."""
        return self.get(f"/cases/{case_id}/referrals").json()["items"][0]

    def apply(self, details: ReadModel, **params: object) -> None:
        """Hand fetched details to intake, as its worker does."""
        with self.house.session("intake") as session:
            APPLY[type(details)](session, details, {name: str(value) for name, value in params.items()})
            session.commit()

    def asked(self) -> list[tuple[str, dict[str, str]]]:
        """Return what intake wants fetched."""
        return [(row["kind"], row["params"]) for row in self.house.rows("intake", fetch)]

    def reads(self, kind: str, row_id: str) -> list[str]:
        """Return who read a row's details."""
        rows = self.house.rows("intake", audit)
        mine = [row for row in rows if row["outcome"] == "read" and (row["kind"], row["row_id"]) == (kind, row_id)]
        return [row["actor"] for row in mine]


def all_answers(**yes: str) -> dict[str, str]:
    """Return an answer for each of the 11 indicators, no where none is given."""
    return {row.code: yes.get(row.code, "no") for row in codes.forced_labour_indicators.all()}


def hand_over_details(hotline_case_id: UUID, **changes: Any) -> HandOverDetails:
    details = {
        "hotline_case_id": hotline_case_id,
        "name": "Trần Văn Đức",
        "born_on": "1990-01-01",
        "sex": "male",
        "language": "vi",
        "document": "passport",
        "document_number": "c1234567",
        "phone": "+886912345678",
        "narrative": "Chủ tàu giữ hộ chiếu.",
        "complaint_types": ["confinement"],
        "received_at": "2026-10-31T18:30:00Z",
    }
    return HandOverDetails.model_validate({**details, **changes})


def contract_details(case_id: str, contract_id: UUID, agency_id: UUID, **changes: Any) -> ContractDetails:
    findings = [
        finding("brokerage_charged", "violation_indicated", 8),
        finding("ceiling_exceeded", "violation_indicated", None),
        finding("part_year", "needs_review", 9),
    ]
    details = {
        "case_id": case_id,
        "contract_id": contract_id,
        "agency_id": agency_id,
        "agency_name": "Công ty Biển Đông",
        "market": "TW",
        "job": "home_care",
        "monthly_wage": Money(amount=Decimal(17_000_000), currency="VND"),
        "months": 36,
        "signed_on": "2025-02-01",
        "costs": [{"kind": "brokerage", "money": {"amount": "60000000", "currency": "VND"}, "paid_on": "2025-01-10"}],
        "findings": findings,
    }
    return ContractDetails.model_validate({**details, **changes})


def finding(code: str, outcome: str, clause: int | None) -> FindingDetails:
    return FindingDetails(
        code=code,
        outcome=outcome,
        vi="Có dấu hiệu vi phạm.",
        en="A violation is indicated.",
        citation="Luật 69/2020/QH14, Điều 7",
        citation_en="Law 69/2020/QH14, Article 7",
        numbers={"amount": "60000000"},
        confirmed=True,
        clause=clause,
    )
