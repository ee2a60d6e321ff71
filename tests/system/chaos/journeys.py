"""One person's way through the house, as it can be told beside many others: nothing in it depends on who else is there."""

import random
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from deploy.demo.stage import Person
from deploy.demo.story import CONTRACT, INDICATORS, OFFICE, SHARED
from deploy.identity.demo import DEMO_AGENCY, LEGAL_AID_ORG, SHELTER_ORG
from tests.system.chaos.ears import Ears

PATIENCE = 600.0
"""Seconds for a fact to cross a house whose parts are killed all the time: a deadline, not a measure."""
PARTNERS = {"lawyer": (str(LEGAL_AID_ORG), "legal_aid"), "shelter": (str(SHELTER_ORG), "shelter")}


class Journey:
    """From a mission's post to a closed case; `ending` says what the shelter's referral comes to."""

    ENDINGS = ("closed", "completed", "declined", "withdrawn")

    def __init__(self, client: httpx.Client, state: Path, ears: Ears, dice: random.Random) -> None:
        def person(role: str, **claims: Any) -> Person:
            return Person(client, state, role, **claims)

        self.ears = ears
        self.ending = dice.choice(self.ENDINGS)
        self.registered_late = dice.random() < 0.5
        self.mission = person("mission_officer", country="TW")
        self.operator = person("hotline_operator")
        self.officer = person("osso_officer", **OFFICE)
        self.colleague = person("osso_officer", **OFFICE, sub="demo:colleague")
        self.supervisor = person("osso_supervisor", **OFFICE)
        self.clerk = person("registry_clerk")
        self.partners = {name: person("partner_manager", org=org) for name, (org, _) in PARTNERS.items()}
        self.number = f"001190{secrets.randbelow(10**6):06d}"
        self.reference = f"TPE-{secrets.token_hex(6)}"
        self.referrals: dict[str, str] = {}
        self.consents: dict[str, str] = {}

    def play(self) -> None:
        """Go the whole way; whatever is not as told raises."""
        if not self.registered_late:
            self._register()
        self._post_and_hand_over()
        if self.registered_late:
            self._register()
        self._open()
        self._screen()
        for name in PARTNERS:
            self._refer(name)
        self._answer("lawyer", "accept")
        self._end_shelter()
        self._close()

    def _register(self) -> None:
        person = {
            "name": "Nguyễn Thị Hằng",
            "born_on": "1990-05-12",
            "document": "cccd",
            "document_number": self.number,
        }
        worker = self.clerk.post("/registry/v1/workers", {"person": person, "province": "40"})
        contract = {**CONTRACT, "worker_id": worker["id"], "agency_id": str(DEMO_AGENCY)}
        self.contract_id = self.clerk.post("/registry/v1/contracts", contract)["id"]

    def _post_and_hand_over(self) -> None:
        person = {"name": "Nguyễn Thị Hằng", "document": "cccd", "document_number": self.number}
        posted = {
            "reference": self.reference,
            "country": "TW",
            "category": "labour_dispute",
            "complaint_types": ["document_retention"],
            "person": person,
            "narrative": "Chủ giữ hộ chiếu.",
        }
        self.hotline_case_id = self.mission.post("/hotline/v1/cases", posted)["id"]
        self.hotline_case = f"/hotline/v1/cases/{self.hotline_case_id}"
        again = self.mission.post("/hotline/v1/cases", posted, expect=200)
        assert again["id"] == self.hotline_case_id
        self.operator.post(f"{self.hotline_case}/triage", {"priority": "p1"}, expect=200)
        self.operator.post(f"{self.hotline_case}/hand-over", {"office": OFFICE["office"]}, expect=200)

    def _open(self) -> None:
        asked = {"document": "cccd", "document_number": self.number}
        search = "/intake/v1/people/search"
        [found] = until("the person is found", lambda: self.officer.post(search, asked, expect=200)["items"])
        [self.case_id] = found["case_ids"]
        self.case = f"/intake/v1/cases/{self.case_id}"
        linked = until("the contract is linked", lambda: self.officer.get(self.case)["contract"])
        assert linked["contract_id"] == self.contract_id

    def _screen(self) -> None:
        answers = {"indicators": INDICATORS, "evidence": "Lời kể qua điện thoại."}
        task = self.officer.post(f"{self.case}/screenings", answers)["task_id"]
        decision = {"decision": "continue_support", "note": "Tiếp tục hỗ trợ."}
        self.supervisor.post(f"/intake/v1/tasks/{task}/decision", decision, expect=200)

    def _refer(self, name: str) -> None:
        organization, service = PARTNERS[name]
        wanted: dict[str, Any] = {"organization_id": organization, "service_type": service, "priority": "p1"}
        wanted |= {"population": "women", "needs_bed": name == "shelter"}
        consent: dict[str, Any] = {
            "purpose": "referral",
            "organization_id": organization,
            "service_type": service,
            "fields": SHARED,
        }
        consent |= {"language": "vi", "text_version": "2026-1", "method": "recorded_oral"}
        self.consents[name] = self.officer.post(f"{self.case}/consents", consent)["id"]
        self.referrals[name] = self.officer.post(f"{self.case}/referrals", wanted)["id"]

    def _answer(self, name: str, how: str, body: Any = None) -> None:
        referral = self.referrals[name]
        until(f"the {name} is told", lambda: self.ears.messages(referral, "referral.requested"))
        seen = self.partners[name].get(f"/intake/v1/disclosures/{referral}")
        assert seen["name"] == "Nguyễn Thị Hằng"
        self.partners[name].post(f"/referral/v1/referrals/{referral}/{how}", body, expect=200)

    def _end_shelter(self) -> None:
        if self.ending == "declined":
            self._answer("shelter", "decline", {"reason": "no_capacity"})
            return
        self._answer("shelter", "accept")
        shelter = self.referrals["shelter"]
        if self.ending == "completed":
            self.partners["shelter"].post(f"/referral/v1/referrals/{shelter}/complete", expect=200)
        elif self.ending == "withdrawn":
            self.officer.post(f"/intake/v1/consents/{self.consents['shelter']}/withdraw", {}, expect=200)
            self.partners["shelter"].get(f"/intake/v1/disclosures/{shelter}", expect=404)
            until("the shelter is told", lambda: self.ears.messages(shelter, "referral.cancelled"))

    def _close(self) -> None:
        until("the mission sees care", lambda: self._progress() == "in_care")
        money = {"amount": "120000000", "currency": "VND"}
        outcome = {"outcome": "compensated", "compensation": money}
        self.officer.post(f"{self.case}/resolution", outcome, expect=(200, 201))
        word = {"method": "phone_callback", "satisfied": True}
        self.colleague.post(f"{self.case}/confirmations", word, expect=(200, 201))
        self.supervisor.post(f"{self.case}/close", expect=200)
        until("the mission sees the end", lambda: self._progress() == "closed")
        until("the lawyer is told", lambda: self.ears.messages(self.referrals["lawyer"], "referral.closed"))
        self.partners["lawyer"].get(f"/intake/v1/disclosures/{self.referrals['lawyer']}", expect=404)

    def _progress(self) -> str:
        return str(self.mission.get(self.hotline_case)["progress"])


def until(what: str, look: Callable[[], Any]) -> Any:
    """Return what `look` finds once it is true."""
    deadline, pause = time.monotonic() + PATIENCE, 0.2
    while not (found := look()):
        assert time.monotonic() < deadline, f"waited {PATIENCE:.0f} s in vain: {what}"
        time.sleep(pause)
        pause = min(2.0, pause * 1.3)
    return found
