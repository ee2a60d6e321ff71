"""The whole journey of two women with canaries for names: from a mission's post to a closed case, and a withdrawn consent."""

from typing import Any

from deploy.identity.demo import SHELTER_ORG
from shared import codes
from tests.access.canaries import (
    BORN_ON,
    EVIDENCE,
    NAME,
    NARRATIVE,
    NOTE,
    NUMBER,
    PASSPORT,
    PHONE,
    REASON,
    SECOND_NAME,
)
from tests.access.listening import Listener

PERSON = {
    "name": NAME,
    "born_on": BORN_ON,
    "sex": "female",
    "document": "cccd",
    "document_number": NUMBER,
    "phone": PHONE,
}
SECOND = {**PERSON, "name": SECOND_NAME, "document": "passport", "document_number": PASSPORT}
FIELDS = [
    "name",
    "born_on",
    "sex",
    "phone",
    "language",
    "document_number",
    "narrative",
    "complaint_types",
    "country",
]
CONTRACT = {
    "market": "TW",
    "job": "domestic_work",
    "monthly_wage": {"amount": "17000000", "currency": "VND"},
    "months": 36,
    "sending_contract_signed_on": "2025-03-03",
    "supply_contract_approved_on": "2025-02-17",
    "costs": [{"kind": "brokerage", "money": {"amount": "35000000", "currency": "VND"}, "paid_on": "2025-02-20"}],
}
POSTED = {
    "reference": "TPE-1",
    "country": "TW",
    "category": "labour_dispute",
    "complaint_types": ["document_retention"],
    "person": PERSON,
    "narrative": NARRATIVE,
}
REFERRAL = {
    "organization_id": str(SHELTER_ORG),
    "service_type": "shelter",
    "population": "women",
    "needs_bed": True,
}
CONSENT = {
    "organization_id": str(SHELTER_ORG),
    "service_type": "shelter",
    "purpose": "referral",
    "fields": FIELDS,
    "language": "vi",
    "text_version": "1",
    "method": "signed",
}
MESSAGES = 4
"""Two referrals are asked for, one is withdrawn, and the other closed with its case."""


class Journey:
    """One telling, through the real routes, handlers and appliers."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.does = listener.does
        token = listener.token
        office = {"office": "osso-ha-noi", "province": "01"}
        self.mission = token("mission_officer")
        self.operator = token("hotline_operator")
        self.officer = token("osso_officer", sub="officer:an", **office)
        self.colleague = token("osso_officer", sub="officer:binh", **office)
        self.supervisor = token("osso_supervisor", sub="supervisor:chi", **office)
        self.clerk = token("registry_clerk")
        self.administrator = token("administrator")
        self.shelter = token("partner_manager", org=str(SHELTER_ORG))

    def play(self) -> None:
        """Tell it from beginning to end, while a partner's receiver listens."""
        self._register()
        self._list_shelter()
        self.listener.deliver("/referral/v1/endpoints", self.shelter, self._story)

    def _story(self) -> int:
        """Tell the part that partners are told of; return how many messages they are owed."""
        self._post_and_hand_over()
        case_id = self._find_at_office()
        self._screen(case_id)
        self._help(case_id)
        self._end(case_id)
        self._change_of_mind()
        return MESSAGES

    def _register(self) -> None:
        agency = {
            "name": "Công ty Sông Hồng",
            "licence_number": "1",
            "enterprise_code": "0100000001",
            "licence_status_on": "2020-03-01",
        }
        agency_id = self.does(self.clerk, "POST", "/registry/v1/agencies", agency)["id"]
        for person in (PERSON, SECOND):
            worker = self.does(self.clerk, "POST", "/registry/v1/workers", {"person": person, "province": "01"})
            self.does(self.clerk, "GET", f"/registry/v1/workers/{worker['id']}")
            body = {**CONTRACT, "worker_id": worker["id"], "agency_id": agency_id}
            self.does(self.clerk, "POST", "/registry/v1/contracts", body)
        again = self.listener.send(self.clerk, "POST", "/registry/v1/workers", {"person": PERSON, "province": "01"})
        assert again.status_code == 409
        self._search(self.clerk, "/registry/v1/workers/search")

    def _list_shelter(self) -> None:
        root = "/referral/v1"
        partner = {"id": str(SHELTER_ORG), "name": "Nhà Bình Yên"}
        self.does(self.administrator, "POST", f"{root}/organizations", partner)
        offered = {"name": "Nhà tạm lánh", "service_type": "shelter", "populations": ["women"]}
        path = f"{root}/organizations/{SHELTER_ORG}/services"
        service_id = self.does(self.administrator, "POST", path, offered)["id"]
        beds = f"{root}/services/{service_id}/capacities/women"
        self.does(self.shelter, "PUT", beds, {"total": 5}, **{"If-Match": "*"})
        self.listener.carry()

    def _post_and_hand_over(self) -> None:
        case_id = self.does(self.mission, "POST", "/hotline/v1/cases", POSTED)["id"]
        other = {**POSTED, "narrative": f"{NARRATIVE} {NOTE}"}
        assert self.listener.send(self.mission, "POST", "/hotline/v1/cases", other).status_code == 409
        path = f"/hotline/v1/cases/{case_id}"
        assert self.listener.send(self.operator, "POST", f"{path}/triage", {"priority": "p3"}).status_code == 422
        self.does(self.operator, "POST", f"{path}/triage", {"priority": "p3", "reason": REASON})
        self.does(self.operator, "POST", f"{path}/hand-over", {"office": "osso-ha-noi"})
        self.listener.carry()
        self.does(self.mission, "GET", path)

    def _find_at_office(self) -> str:
        asked = {"document": "cccd", "document_number": NUMBER, "name": NAME}
        [found] = self.does(self.officer, "POST", "/intake/v1/people/search", asked)["items"]
        [case_id] = found["case_ids"]
        read = self.does(self.officer, "GET", f"/intake/v1/cases/{case_id}")
        assert (read["person"]["name"], read["narrative"]) == (NAME, NARRATIVE)
        assert read["contract"] is not None
        self.does(self.officer, "PATCH", f"/intake/v1/cases/{case_id}", {"priority": "p0"}, **{"If-Match": "*"})
        return str(case_id)

    def _screen(self, case_id: str) -> None:
        indicators = {row.code: "yes" for row in codes.forced_labour_indicators.all()}
        body = {"indicators": indicators, "evidence": EVIDENCE}
        task_id = self.does(self.officer, "POST", f"/intake/v1/cases/{case_id}/screenings", body)["task_id"]
        decision = {"decision": "continue_support", "note": NOTE}
        self.does(self.supervisor, "POST", f"/intake/v1/tasks/{task_id}/decision", decision)
        again = self.listener.send(self.supervisor, "POST", f"/intake/v1/tasks/{task_id}/decision", decision)
        assert again.status_code == 409

    def _help(self, case_id: str) -> str:
        """Ask the shelter for a bed, and let it read what the client agreed to."""
        case = f"/intake/v1/cases/{case_id}"
        assert self.listener.send(self.officer, "POST", f"{case}/referrals", REFERRAL).status_code == 409
        consent_id = self.does(self.officer, "POST", f"{case}/consents", CONSENT)["id"]
        referral_id = self.does(self.officer, "POST", f"{case}/referrals", REFERRAL)["id"]
        self.listener.carry()
        shown = self.does(self.shelter, "GET", f"/intake/v1/disclosures/{referral_id}")
        assert shown["narrative"] == NARRATIVE
        self.does(self.shelter, "POST", f"/referral/v1/referrals/{referral_id}/accept")
        self.listener.carry()
        return str(consent_id)

    def _end(self, case_id: str) -> None:
        case = f"/intake/v1/cases/{case_id}"
        money = {"amount": "120000000", "currency": "VND"}
        self.does(self.officer, "POST", f"{case}/resolution", {"outcome": "compensated", "compensation": money})
        word = {"method": "phone_callback", "satisfied": True}
        assert self.listener.send(self.officer, "POST", f"{case}/confirmations", word).status_code == 409
        self.does(self.colleague, "POST", f"{case}/confirmations", word)
        self.does(self.supervisor, "POST", f"{case}/close")
        self.listener.carry()
        self.does(self.officer, "GET", f"{case}/timeline?limit=100")

    def _change_of_mind(self) -> None:
        """A second woman walks in, is helped, withdraws her consent; then the lists are read in pages."""
        body = {
            "person": SECOND,
            "channel": "walk_in",
            "country": "TW",
            "complaint_types": ["unpaid_wages"],
            "narrative": NARRATIVE,
            "received_on": "2026-03-02",
        }
        case_id = self.does(self.officer, "POST", "/intake/v1/cases", body)["id"]
        consent_id = self._help(case_id)
        self.does(self.officer, "POST", f"/intake/v1/consents/{consent_id}/withdraw", {"reason": None})
        self.listener.carry()
        self._search(self.officer, "/intake/v1/people/search")
        for path in ("/intake/v1/cases", "/intake/v1/tasks"):
            self.does(self.officer, "GET", f"{path}?limit=1")
        for path in ("/referral/v1/referrals", "/referral/v1/deliveries"):
            self.does(self.shelter, "GET", f"{path}?limit=1")

    def _search(self, who: Any, path: str) -> None:
        """Read both women's pages one after the other: the address of the second page is one of those listened to."""
        asked = {"name": "zangquo"}
        first = self.does(who, "POST", f"{path}?limit=1", asked)
        second = self.does(who, "POST", first["next"].removeprefix("http://127.0.0.1:8000"), asked)
        assert len(first["items"]) == len(second["items"]) == 1
