"""Who may do what, written by hand from the design: every operation × every role × own and foreign.

A cell is "own / foreign": what the caller gets with an object of its own scope, and with one of another's. `✓` is allowed,
`403` is refused whatever the object, `404` says that the object does not exist for this caller, `401` that nobody knows
who calls. In a list `✓` says that such objects stand in it, `404` that they do not. Operations without an object have one
word. What "own" is: the office of an officer or counsellor, the province of a supervisor or a labour officer, the country
of a mission, the organisation of a partner, the agency of its officer, and for a service what was meant for it.

Nothing here may be made from `shared/permissions.py` or any `access.py`: it is what they are held to.
"""

ROLES: tuple[str, ...] = (
    "osso_officer",
    "osso_supervisor",
    "mrc_counsellor",
    "mission_officer",
    "hotline_operator",
    "partner_worker",
    "partner_manager",
    "registry_clerk",
    "agency_officer",
    "labour_officer",
    "analyst",
    "auditor",
    "administrator",
    "service",
    "anonymous",
)
"""The thirteen roles of people, a service of ours, and whoever brings no token."""


def row(**allowed: str) -> dict[str, str]:
    """Return the cells of an operation on an object: those named, and for everybody else a refusal."""
    return {role: "401 / 401" if role == "anonymous" else allowed.get(role, "403 / 403") for role in ROLES}


def plain(*allowed: str) -> dict[str, str]:
    """Return the cells of an operation without an object: allowed to those named, refused to everybody else."""
    return {role: "401" if role == "anonymous" else "✓" if role in allowed else "403" for role in ROLES}


def case_work() -> dict[str, str]:
    """Return the cells of the everyday work on a case: whoever works at its office, and the supervisor of its province."""
    return row(osso_officer="✓ / 404", osso_supervisor="✓ / 404", mrc_counsellor="✓ / 404")


def supervision() -> dict[str, str]:
    """Return the cells of what a second pair of eyes does: the supervisor, within the province."""
    return row(osso_supervisor="✓ / 404")


def directory() -> dict[str, str]:
    """Return the cells of reading the directory: whoever refers clients, receives them, or keeps the directory sees all."""
    return row(
        osso_officer="✓ / ✓",
        osso_supervisor="✓ / ✓",
        mrc_counsellor="✓ / ✓",
        partner_worker="✓ / ✓",
        partner_manager="✓ / ✓",
        administrator="✓ / ✓",
    )


def partners() -> dict[str, str]:
    """Return the cells of what anyone at a partner does with what was sent to its organisation, and to no other."""
    return row(partner_worker="✓ / 404", partner_manager="✓ / 404")


def operation(service: str) -> dict[str, dict[str, str]]:
    """Return the rows of a service's operators: what could not be handled is settings, and tells of no person."""
    letters = f"/{service}/v1/dead-letters"
    return {
        f"GET {letters}": row(administrator="✓ / ✓"),
        f"GET {letters}/{{letter_id}}": row(administrator="✓ / ✓"),
        f"GET /{service}/v1/parked-keys": row(administrator="✓ / ✓"),
        f"POST {letters}/{{letter_id}}/replay": row(administrator="✓ / ✓"),
        f"POST {letters}/{{letter_id}}/discard": row(administrator="✓ / ✓"),
    }


INTAKE: dict[str, dict[str, str]] = {
    # A person, her details and her consents live here alone: nobody outside the office of the case reads them.
    "POST /intake/v1/cases": plain("osso_officer", "osso_supervisor", "mrc_counsellor"),
    "GET /intake/v1/cases": case_work(),
    "GET /intake/v1/cases/{case_id}": case_work(),
    "PATCH /intake/v1/cases/{case_id}": case_work(),
    "GET /intake/v1/cases/{case_id}/timeline": case_work(),
    # One records the outcome, another takes the client's word on it, a third ends the case.
    "POST /intake/v1/cases/{case_id}/resolution": case_work(),
    "POST /intake/v1/cases/{case_id}/confirmations": case_work(),
    "POST /intake/v1/cases/{case_id}/close": supervision(),
    "POST /intake/v1/cases/{case_id}/reopen": supervision(),
    "POST /intake/v1/people/search": case_work(),
    "POST /intake/v1/people/{person_id}/erase": supervision(),
    # The system indicates, a person decides, and never the one who recorded the indication.
    "POST /intake/v1/cases/{case_id}/screenings": case_work(),
    "GET /intake/v1/cases/{case_id}/screenings": case_work(),
    "GET /intake/v1/tasks": case_work(),
    "POST /intake/v1/tasks/{task_id}/decision": supervision(),
    "POST /intake/v1/cases/{case_id}/consents": case_work(),
    "GET /intake/v1/cases/{case_id}/consents": case_work(),
    "POST /intake/v1/consents/{consent_id}/withdraw": case_work(),
    "POST /intake/v1/cases/{case_id}/referrals": case_work(),
    "GET /intake/v1/cases/{case_id}/referrals": case_work(),
    # The one door through which a partner sees a client; the office reads its own file instead.
    "GET /intake/v1/disclosures/{referral_id}": partners(),
    # Analysts see counts and no row; auditors and administrators see no case data at all.
    "GET /intake/v1/figures": plain("analyst"),
    "GET /intake/v1/audit": plain("auditor"),
    **operation("intake"),
}

HOTLINE: dict[str, dict[str, str]] = {
    # "Own" is the mission's country: a case of another country it may not post, and does not see.
    "POST /hotline/v1/cases": row(mission_officer="✓ / 403", hotline_operator="✓ / ✓"),
    "GET /hotline/v1/cases": row(mission_officer="✓ / 404", hotline_operator="✓ / ✓"),
    "GET /hotline/v1/cases/{case_id}": row(mission_officer="✓ / 404", hotline_operator="✓ / ✓"),
    "POST /hotline/v1/cases/{case_id}/triage": row(hotline_operator="✓ / ✓"),
    "POST /hotline/v1/cases/{case_id}/hand-over": row(hotline_operator="✓ / ✓"),
    # An owner answers a service only for what was handed to it: intake, and no other service.
    "GET /hotline/v1/hand-overs/{case_id}": row(service="✓ / 404"),
    "GET /hotline/v1/audit": plain("auditor"),
    **operation("hotline"),
}

REFERRAL: dict[str, dict[str, str]] = {
    "POST /referral/v1/organizations": plain("administrator"),
    "GET /referral/v1/organizations": directory(),
    "PATCH /referral/v1/organizations/{organization_id}": row(administrator="✓ / ✓"),
    "POST /referral/v1/organizations/{organization_id}/services": row(administrator="✓ / ✓"),
    "PATCH /referral/v1/services/{service_id}": row(administrator="✓ / ✓"),
    "GET /referral/v1/services/{service_id}": directory(),
    "GET /referral/v1/services": directory(),
    # A partner keeps its own bed counts, and another's beds do not exist for it, though its services do.
    "PUT /referral/v1/services/{service_id}/capacities/{population}": row(partner_manager="✓ / 404"),
    "GET /referral/v1/referrals": partners(),
    "GET /referral/v1/referrals/{referral_id}": partners(),
    "POST /referral/v1/referrals/{referral_id}/accept": partners(),
    "POST /referral/v1/referrals/{referral_id}/decline": partners(),
    "POST /referral/v1/referrals/{referral_id}/complete": partners(),
    # The organisation comes from the token: an endpoint for another one cannot even be asked for.
    "POST /referral/v1/endpoints": plain("partner_manager"),
    "GET /referral/v1/endpoints": row(partner_manager="✓ / 404"),
    "DELETE /referral/v1/endpoints/{endpoint_id}": row(partner_manager="✓ / 404"),
    "GET /referral/v1/deliveries": row(partner_manager="✓ / 404"),
    "GET /referral/v1/audit": plain("auditor"),
    **operation("referral"),
}

REGISTRY: dict[str, dict[str, str]] = {
    "POST /registry/v1/agencies": plain("registry_clerk"),
    "GET /registry/v1/agencies": row(registry_clerk="✓ / ✓", labour_officer="✓ / ✓", agency_officer="✓ / 404"),
    "GET /registry/v1/agencies/{agency_id}": row(
        registry_clerk="✓ / ✓", labour_officer="✓ / ✓", agency_officer="✓ / 404"
    ),
    "PATCH /registry/v1/agencies/{agency_id}": row(registry_clerk="✓ / ✓"),
    "POST /registry/v1/workers": plain("registry_clerk"),
    "GET /registry/v1/workers": row(registry_clerk="✓ / ✓", labour_officer="✓ / 404"),
    "GET /registry/v1/workers/{worker_id}": row(registry_clerk="✓ / ✓", labour_officer="✓ / 404"),
    "POST /registry/v1/workers/search": row(registry_clerk="✓ / ✓", labour_officer="✓ / 404"),
    "POST /registry/v1/contracts": row(registry_clerk="✓ / ✓", agency_officer="✓ / 403"),
    "GET /registry/v1/contracts": row(registry_clerk="✓ / ✓", agency_officer="✓ / 404", labour_officer="✓ / 404"),
    "GET /registry/v1/contracts/{contract_id}": row(
        registry_clerk="✓ / ✓", agency_officer="✓ / 404", labour_officer="✓ / 404"
    ),
    # A retaliating agency must learn nothing: its officers have no watch list, not even an empty one.
    "GET /registry/v1/watch-list": row(registry_clerk="✓ / ✓", labour_officer="✓ / ✓"),
    "GET /registry/v1/contract-links/{case_id}": row(service="✓ / 404"),
    "GET /registry/v1/audit": plain("auditor"),
    **operation("registry"),
}

MATRIX: dict[str, dict[str, dict[str, str]]] = {
    "intake": INTAKE,
    "hotline": HOTLINE,
    "referral": REFERRAL,
    "registry": REGISTRY,
}

PUBLIC: dict[str, str] = {
    "GET /referral/.well-known/webhook-keys": "Public keys, with which anyone may check that a webhook is ours.",
}
"""Operations that ask nobody who they are, each with the reason."""
