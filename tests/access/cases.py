"""Requests to intake and the hotline, each on an object made for it; `desk` is the role whose office took the case down."""

from collections.abc import Callable
from typing import Any

from deploy.identity.demo import SHELTER_ORG
from shared import codes
from tests.access.callers import OWN
from tests.access.world import Call, World

CASE = {
    "person": {"name": "Trần Thị Mai"},
    "channel": "walk_in",
    "country": "TW",
    "complaint_types": ["unpaid_wages"],
    "narrative": "Sáu tháng không có lương.",
    "received_on": "2026-03-02",
}
YES = {row.code: "yes" for row in codes.forced_labour_indicators.all()}
SCREENING = {"indicators": YES}
PARTNER = {"organization_id": str(SHELTER_ORG), "service_type": "shelter"}
CONSENT = {
    **PARTNER,
    "purpose": "referral",
    "fields": ["name"],
    "language": "vi",
    "text_version": "1",
    "method": "signed",
}
CONFIRMATION = {"method": "in_person", "satisfied": True}
RESOLUTION = {"outcome": "settled"}
CASES = "/intake/v1/cases"
HOTLINE = "/hotline/v1/cases"

Make = Callable[[World, str], Call]


def act(world: World, desk: str, path: str, body: Any, sub: str = "arranger") -> Any:
    """Let a colleague of the desk act on its case."""
    return world.make("intake", path, body, desk, sub)


def supervise(world: World, desk: str, path: str) -> Any:
    """Let the supervisor of the desk's province act."""
    return world.make("intake", path, None, "osso_supervisor", "arranging supervisor", **OWN[desk])


def case(world: World, desk: str, **changes: Any) -> Any:
    """Take a case down at a desk."""
    return act(world, desk, CASES, {**CASE, **changes})


def resolved(world: World, desk: str) -> Any:
    """Take a case as far as its outcome."""
    made = case(world, desk)
    return act(world, desk, f"{CASES}/{made['id']}/resolution", RESOLUTION)


def confirmed(world: World, desk: str) -> Any:
    """Take a case as far as its client's word."""
    made = resolved(world, desk)
    return act(world, desk, f"{CASES}/{made['id']}/confirmations", CONFIRMATION, "arranging colleague")


def closed(world: World, desk: str) -> Any:
    """Take a case to its end."""
    made = confirmed(world, desk)
    return supervise(world, desk, f"{CASES}/{made['id']}/close")


def consented(world: World, desk: str) -> tuple[str, str]:
    """Return a case and its client's consent to a shelter."""
    case_id = case(world, desk)["id"]
    return case_id, act(world, desk, f"{CASES}/{case_id}/consents", CONSENT)["id"]


def referred(world: World, desk: str) -> tuple[str, str]:
    """Return a case and its referral to the shelter."""
    case_id, _ = consented(world, desk)
    return case_id, act(world, desk, f"{CASES}/{case_id}/referrals", PARTNER)["id"]


def screened(world: World, desk: str) -> tuple[str, Any]:
    """Return a case and its screening, which calls for a review."""
    case_id = case(world, desk)["id"]
    return case_id, act(world, desk, f"{CASES}/{case_id}/screenings", SCREENING)


def on_case(make: Callable[[World, str], Any], step: str = "", body: Any = None) -> Make:
    """Return a request on a case that was brought so far."""
    return lambda world, desk: Call(f"{CASES}/{make(world, desk)['id']}{step}", body)


def list_cases(world: World, desk: str) -> Call:
    return Call(f"{CASES}?limit=100", row=case(world, desk)["id"])


def search(world: World, desk: str) -> Call:
    name = f"Trần Thị {'abcdefghijk'[world.number() % 11]}x"
    person_id = case(world, desk, person={"name": name})["person_id"]
    return Call("/intake/v1/people/search?limit=100", {"name": name}, row=person_id)


def erase(world: World, desk: str) -> Call:
    return Call(f"/intake/v1/people/{closed(world, desk)['person_id']}/erase")


def list_screenings(world: World, desk: str) -> Call:
    case_id, screening = screened(world, desk)
    return Call(f"{CASES}/{case_id}/screenings", row=screening["id"])


def list_tasks(world: World, desk: str) -> Call:
    return Call("/intake/v1/tasks?limit=100", row=screened(world, desk)[1]["task_id"])


def decide(world: World, desk: str) -> Call:
    return Call(f"/intake/v1/tasks/{screened(world, desk)[1]['task_id']}/decision", {"decision": "no_indication"})


def list_consents(world: World, desk: str) -> Call:
    case_id, consent_id = consented(world, desk)
    return Call(f"{CASES}/{case_id}/consents", row=consent_id)


def withdraw(world: World, desk: str) -> Call:
    return Call(f"/intake/v1/consents/{consented(world, desk)[1]}/withdraw", {})


def refer(world: World, desk: str) -> Call:
    return Call(f"{CASES}/{consented(world, desk)[0]}/referrals", PARTNER)


def list_referrals(world: World, desk: str) -> Call:
    case_id, referral_id = referred(world, desk)
    return Call(f"{CASES}/{case_id}/referrals", row=referral_id)


def disclosure(world: World, desk: str) -> Call:
    return Call(f"/intake/v1/disclosures/{referred(world, desk)[1]}")


def timeline(world: World, desk: str) -> Call:
    case_id, consent_id = consented(world, desk)
    return Call(f"{CASES}/{case_id}/timeline", row=consent_id)


INTAKE: dict[str, Make] = {
    "POST /intake/v1/cases": lambda _world, _desk: Call(CASES, CASE),
    "GET /intake/v1/cases": list_cases,
    "GET /intake/v1/cases/{case_id}": on_case(case),
    "PATCH /intake/v1/cases/{case_id}": on_case(case, body={"priority": "p1"}),
    "GET /intake/v1/cases/{case_id}/timeline": timeline,
    "POST /intake/v1/cases/{case_id}/resolution": on_case(case, "/resolution", RESOLUTION),
    "POST /intake/v1/cases/{case_id}/confirmations": on_case(resolved, "/confirmations", CONFIRMATION),
    "POST /intake/v1/cases/{case_id}/close": on_case(confirmed, "/close"),
    "POST /intake/v1/cases/{case_id}/reopen": on_case(closed, "/reopen"),
    "POST /intake/v1/people/search": search,
    "POST /intake/v1/people/{person_id}/erase": erase,
    "POST /intake/v1/cases/{case_id}/screenings": on_case(case, "/screenings", SCREENING),
    "GET /intake/v1/cases/{case_id}/screenings": list_screenings,
    "GET /intake/v1/tasks": list_tasks,
    "POST /intake/v1/tasks/{task_id}/decision": decide,
    "POST /intake/v1/cases/{case_id}/consents": on_case(case, "/consents", CONSENT),
    "GET /intake/v1/cases/{case_id}/consents": list_consents,
    "POST /intake/v1/consents/{consent_id}/withdraw": withdraw,
    "POST /intake/v1/cases/{case_id}/referrals": refer,
    "GET /intake/v1/cases/{case_id}/referrals": list_referrals,
    "GET /intake/v1/disclosures/{referral_id}": disclosure,
    "GET /intake/v1/figures": lambda _world, _desk: Call("/intake/v1/figures"),
}


def posting(world: World) -> dict[str, Any]:
    """Return a case under a reference of its own."""
    reference = f"TPE-{world.number()}"
    return {"reference": reference, "country": "TW", "category": "stranded", "narrative": "Mất giấy tờ, không có tiền."}


def posted(world: World) -> str:
    """Post a case from Taiwan; return its id."""
    return str(world.make("hotline", HOTLINE, posting(world), "mission_officer")["id"])


def triaged(world: World) -> str:
    """Post a case and set how urgent it is."""
    case_id = posted(world)
    world.make("hotline", f"{HOTLINE}/{case_id}/triage", {"priority": "p1"}, "hotline_operator")
    return case_id


def handed_over(world: World) -> str:
    """Hand a case to an office at home."""
    case_id = triaged(world)
    world.make("hotline", f"{HOTLINE}/{case_id}/hand-over", {"office": "osso-ha-noi"}, "hotline_operator")
    return case_id


HOTLINE_CALLS: dict[str, Make] = {
    "POST /hotline/v1/cases": lambda world, _desk: Call(HOTLINE, posting(world)),
    "GET /hotline/v1/cases": lambda world, _desk: Call(f"{HOTLINE}?limit=100", row=posted(world)),
    "GET /hotline/v1/cases/{case_id}": lambda world, _desk: Call(f"{HOTLINE}/{posted(world)}"),
    "POST /hotline/v1/cases/{case_id}/triage": lambda world, _desk: Call(
        f"{HOTLINE}/{posted(world)}/triage", {"priority": "p1"}
    ),
    "POST /hotline/v1/cases/{case_id}/hand-over": lambda world, _desk: Call(
        f"{HOTLINE}/{triaged(world)}/hand-over", {"office": "osso-ha-noi"}
    ),
    "GET /hotline/v1/hand-overs/{case_id}": lambda world, _desk: Call(f"/hotline/v1/hand-overs/{handed_over(world)}"),
}
