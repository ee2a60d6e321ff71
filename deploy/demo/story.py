"""The story: a domestic worker in Taipei whose passport is withheld and who paid VND 190 million."""

import secrets
from pathlib import Path
from typing import Any

import httpx

from deploy.demo.receiver import Receiver
from deploy.demo.stage import Person, check, wait_for
from deploy.identity.demo import DEMO_AGENCY, LEGAL_AID_ORG, SHELTER_ORG

OFFICE = {"office": "osso-ha-noi", "province": "01"}
BEDS = 8
SHARED = ["name", "phone", "language", "complaint_types"]
INDICATORS = {
    "abuse_of_vulnerability": "unknown",
    "deception": "unknown",
    "restriction_of_movement": "yes",
    "isolation": "unknown",
    "physical_and_sexual_violence": "no",
    "intimidation_and_threats": "unknown",
    "retention_of_identity_documents": "yes",
    "withholding_of_wages": "yes",
    "debt_bondage": "unknown",
    "abusive_working_and_living_conditions": "unknown",
    "excessive_overtime": "yes",
}

CONTRACT = {
    "market": "TW",
    "job": "domestic_work",
    "monthly_wage": {"amount": "17000000", "currency": "VND"},
    "months": 36,
    "sending_contract_signed_on": "2025-03-03",
    "supply_contract_approved_on": "2025-02-17",
    "costs": [
        {"kind": "service_fee", "money": {"amount": "190000000", "currency": "VND"}, "paid_on": "2025-03-10"},
        {"kind": "brokerage", "money": {"amount": "35000000", "currency": "VND"}, "paid_on": "2025-02-20"},
    ],
}


class Story:
    """One telling; every run has its own worker, references and keys, so that it can be told again."""

    def __init__(self, client: httpx.Client, state: Path, receiver: Receiver) -> None:
        def person(role: str, **claims: Any) -> Person:
            return Person(client, state, role, **claims)

        self.receiver = receiver
        self.mission = person("mission_officer", country="TW")
        self.operator = person("hotline_operator")
        self.officer = person("osso_officer", **OFFICE)
        self.colleague = person("osso_officer", **OFFICE, sub="demo:colleague")
        self.supervisor = person("osso_supervisor", **OFFICE)
        self.clerk = person("registry_clerk")
        self.agency = person("agency_officer", agency=DEMO_AGENCY)
        self.lawyer = person("partner_manager", org=LEGAL_AID_ORG)
        self.shelter = person("partner_manager", org=SHELTER_ORG)
        self.run = secrets.token_hex(4)
        self.number = f"001190{secrets.randbelow(10**6):06d}"
        self.steps = 0
        self.endpoints: list[tuple[Person, str]] = []

    def play(self) -> None:
        """Tell it from beginning to end."""
        try:
            self._before()
            self._mission_posts()
            self._office_opens()
            self._law_speaks()
            self._screening()
            self._consent_and_referrals()
            self._partners_answer()
            self._money_comes_back()
            self._afterwards()
        finally:
            for partner, endpoint_id in self.endpoints:
                partner.delete(f"/referral/v1/endpoints/{endpoint_id}")
        print("\nThe story was as told.")

    def say(self, words: str) -> None:
        """Tell one step that has happened."""
        self.steps += 1
        print(f"{self.steps:3}  {words}", flush=True)

    def _before(self) -> None:
        """The worker's contract stands in the registry, and two partners listen."""
        person = {"name": "Nguyễn Thị Hằng", "born_on": "1990-05-12", "sex": "female"}
        worker = self.clerk.post(
            "/registry/v1/workers",
            {"person": {**person, "document": "cccd", "document_number": self.number}, "province": "40"},
        )
        contract = self.clerk.post(
            "/registry/v1/contracts", {**CONTRACT, "worker_id": worker["id"], "agency_id": str(DEMO_AGENCY)}
        )
        self.contract_id = contract["id"]
        self.say("Registry: Hằng's contract for domestic work in Taiwan is on file, with what she paid.")
        for partner, name in ((self.lawyer, "lawyer"), (self.shelter, "shelter")):
            endpoint = partner.post("/referral/v1/endpoints", {"url": self.receiver.url(name)})
            self.receiver.secrets[name] = endpoint["secret"]
            self.endpoints.append((partner, endpoint["id"]))
        beds = f"/referral/v1/services/{self._shelter()['id']}/capacities/women"
        self.shelter.put(beds, {"total": BEDS})
        self.say("Partners: a legal-aid centre and a shelter have registered their webhooks; the beds are counted.")

    def _mission_posts(self) -> None:
        posted = {
            "reference": f"TPE-{self.run}",
            "country": "TW",
            "category": "labour_dispute",
            "complaint_types": ["document_retention", "unpaid_wages"],
            "person": {
                "name": "Nguyễn Thị Hằng",
                "born_on": "1990-05-12",
                "sex": "female",
                "document": "cccd",
                "document_number": self.number,
                "phone": "+886912345678",
            },
            "narrative": "Chủ nhà giữ hộ chiếu từ ngày đầu, sáu tháng chưa trả lương, không cho ra khỏi nhà.",
        }
        case = self.mission.post("/hotline/v1/cases", posted)
        self.hotline_case = f"/hotline/v1/cases/{case['id']}"
        self.say(f"Taipei: the mission posts case {posted['reference']}: passport withheld, six months unpaid.")
        again = self.mission.post("/hotline/v1/cases", posted, expect=200)
        check(again["id"] == case["id"], "the same reference posted again is the same case")
        self.say("Taipei: the line drops and the mission posts it again; it is still one case.")
        self.operator.post(f"{self.hotline_case}/triage", {"priority": "p1"}, expect=200)
        self.say("Hotline: an operator sets priority P1.")
        self.operator.post(f"{self.hotline_case}/hand-over", {"office": OFFICE["office"]}, expect=200)
        self.say("Hotline: and hands the case to the One Stop Service Office in Ha Noi.")

    def _office_opens(self) -> None:
        wait_for("the mission sees the case opened", lambda: self._progress() == "opened")
        self.say("Taipei: the mission sees: opened.")
        found = wait_for("the officer finds the person by name", self._find)
        self.case_id = found
        self.case = f"/intake/v1/cases/{found}"
        read = self.officer.get(self.case)
        check(read["narrative"] and read["person"]["name"] == "Nguyễn Thị Hằng", "the details arrived, sealed at rest")
        self.say(f"Ha Noi: an officer types 'hang nguyen' and finds Nguyễn Thị Hằng, file {read['reference']}.")

    def _law_speaks(self) -> None:
        case = wait_for("the contract is linked", lambda: self._linked(self.officer.get(self.case)))
        check(case["contract"]["contract_id"] == self.contract_id, "it is her contract")
        findings = {finding["code"]: finding for finding in case["contract"]["findings"]}
        violations = [finding for finding in findings.values() if finding["outcome"] == "violation_indicated"]
        check(len(violations) >= 2, "the fee and the broker are both indicated")  # noqa: PLR2004 - two of them
        self.say("Ha Noi: the registry recognised her by a keyed pseudonym; her contract is linked.")
        for finding in violations:
            check(finding["citation"], "every finding cites its article")
            print(f"       · {finding['en']}\n         {finding['citation']}")
        for clock in case["clocks"]:
            if clock["due_on"]:
                print(f"       · {clock['en']}: {clock['due_on']}")

    def _screening(self) -> None:
        answers = {"indicators": INDICATORS, "evidence": "Lời kể qua điện thoại; ảnh bảng lương."}
        self.officer.post(f"{self.case}/screenings", answers)
        self.say("Ha Noi: the officer screens for the eleven indicators; four say yes.")
        tasks = self.supervisor.get("/intake/v1/tasks", status="open", limit=100)["items"]
        task = next(task for task in tasks if task["case_id"] == self.case_id)
        decision = {"decision": "refer_for_identification", "note": "Chuyển xác minh nạn nhân."}
        self.supervisor.post(f"/intake/v1/tasks/{task['id']}/decision", decision, expect=200)
        self.say("Ha Noi: the supervisor reviews the indication and decides; the system only flags.")

    def _consent_and_referrals(self) -> None:
        self.referrals: dict[str, str] = {}
        for name, org, service, bed in (
            ("lawyer", LEGAL_AID_ORG, "legal_aid", False),
            ("shelter", SHELTER_ORG, "shelter", True),
        ):
            wanted: dict[str, Any] = {"organization_id": str(org), "service_type": service, "priority": "p1"}
            wanted |= {"population": "women", "needs_bed": bed}
            self.officer.post(f"{self.case}/referrals", wanted, expect=409)
            consent = {"purpose": "referral", "organization_id": str(org), "service_type": service, "fields": SHARED}
            consent |= {"language": "vi", "text_version": "2026-1", "method": "recorded_oral"}
            self.officer.post(f"{self.case}/consents", consent)
            self.referrals[name] = self.officer.post(f"{self.case}/referrals", wanted)["id"]
            self.say(
                f"Ha Noi: no referral without consent; she consents, and {service.replace('_', ' ')} is asked for."
            )

    def _partners_answer(self) -> None:
        self.free = self._free_beds()
        self._accept("lawyer", self.lawyer)
        self._accept("shelter", self.shelter)
        check(self.receiver.refused == 0, "every webhook's signature held")
        stranger = self.lawyer.get(f"/intake/v1/disclosures/{self.referrals['shelter']}", expect=404)
        check(stranger["status"] == 404, "another partner's referral does not exist for the lawyer")  # noqa: PLR2004
        check(self._free_beds() == self.free - 1, "one bed is held")
        self.say("Partner: at the shelter one bed is held for tonight; the lawyer cannot see that referral at all.")
        wait_for("the mission sees care", lambda: self._progress() == "in_care")
        check("shelter" not in str(self.mission.get(self.hotline_case)).lower(), "the mission sees no partner")
        self.say("Taipei: the mission sees: in care. Not where, not with whom.")

    def _accept(self, name: str, partner: Person) -> None:
        referral = self.referrals[name]
        requested = wait_for(f"the {name} is told", lambda: self.receiver.messages(referral, "referral.requested"))
        check("Hằng" not in str(requested), "the webhook holds no name")
        seen = partner.get(f"/intake/v1/disclosures/{referral}")
        check(seen["name"] == "Nguyễn Thị Hằng", "the consented fields are shown")
        check("narrative" not in seen, "and no other field")
        partner.post(f"/referral/v1/referrals/{referral}/accept", expect=200)
        self.say(f"Partner: the {name} gets a signed webhook, reads what consent allows, and accepts.")

    def _money_comes_back(self) -> None:
        wait_for("the office knows of both answers", self._both_accepted)
        money = {"amount": "120000000", "currency": "VND"}
        self.officer.post(
            f"{self.case}/resolution", {"outcome": "compensated", "compensation": money}, expect=(200, 201)
        )
        self.say("Ha Noi: the agency pays back VND 120,000,000; the officer records it.")
        word = {"method": "phone_callback", "satisfied": True}
        self.officer.post(f"{self.case}/confirmations", word, expect=409)
        self.colleague.post(f"{self.case}/confirmations", word, expect=(200, 201))
        self.say("Ha Noi: a colleague, not the same officer, calls Hằng; she confirms.")
        self.supervisor.post(f"{self.case}/close", expect=200)
        self.say("Ha Noi: the supervisor closes the case.")

    def _afterwards(self) -> None:
        wait_for("the mission sees the end", lambda: self._progress() == "closed")
        self.say("Taipei: the mission sees: closed.")
        wait_for("the shelter is told", lambda: self.receiver.messages(self.referrals["shelter"], "referral.closed"))
        self.shelter.get(f"/intake/v1/disclosures/{self.referrals['shelter']}", expect=404)
        wait_for("the bed is free again", lambda: self._free_beds() == self.free)
        self.say("Partner: the bed is free again, and the disclosure is shut.")
        watched = wait_for("the agency is on the watch list", self._watched)
        self.agency.get("/registry/v1/watch-list", expect=403)
        self.say(f"Registry: the agency is on the watch list ({watched} case(s)); the agency cannot see that list.")
        print("\nThe timeline of the case:")
        for entry in reversed(self.officer.get(f"{self.case}/timeline", limit=100)["items"]):
            print(f"  {entry['at'][:19]}  {entry['code']:<24} {entry['actor']}")

    def _progress(self) -> str:
        return str(self.mission.get(self.hotline_case)["progress"])

    def _find(self) -> str | None:
        asked = {"name": "hang nguyen", "document": "cccd", "document_number": self.number}
        found = self.officer.post("/intake/v1/people/search", asked, expect=200)["items"]
        return found[0]["case_ids"][0] if found else None

    def _linked(self, case: dict[str, Any]) -> dict[str, Any] | None:
        return case if case["contract"] is not None else None

    def _shelter(self) -> dict[str, Any]:
        services = self.officer.get("/referral/v1/services", service_type="shelter", limit=100)["items"]
        return next(service for service in services if service["organization_id"] == str(SHELTER_ORG))

    def _free_beds(self) -> int:
        beds = self._shelter()["capacities"]
        return int(next(bed["available"] for bed in beds if bed["population"] == "women"))

    def _both_accepted(self) -> bool:
        items = self.officer.get(f"{self.case}/referrals")["items"]
        return [item["status"] for item in items] == ["accepted", "accepted"]

    def _watched(self) -> int | None:
        listed = self.clerk.get("/registry/v1/watch-list", limit=100)["items"]
        return next((entry["cases"] for entry in listed if entry["agency"]["id"] == str(DEMO_AGENCY)), None)
