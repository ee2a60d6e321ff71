"""One act that each role may do and one that it may not, both from the access matrix."""

from typing import Any

from tests.access_matrix import MATRIX

POSTED = {"country": "TW", "category": "stranded", "narrative": "Mất giấy tờ, không có tiền."}
CASE = {
    "person": {"name": "Trần Thị Mai"},
    "channel": "walk_in",
    "country": "TW",
    "complaint_types": ["unpaid_wages"],
    "narrative": "Sáu tháng không có lương.",
    "received_on": "2026-03-02",
}
AGENCY = {
    "name": "Công ty",
    "licence_number": "1/GP",
    "enterprise_code": "0101234567",
    "licence_status_on": "2020-03-01",
}
HERE, THERE = {**POSTED, "reference": "TPE-1"}, {**POSTED, "reference": "TYO-1", "country": "JP"}

Act = tuple[str, Any]
ACTS: dict[str, tuple[Act, Act]] = {
    "osso_officer": (("POST /intake/v1/cases", CASE), ("GET /intake/v1/figures", None)),
    "osso_supervisor": (("GET /intake/v1/tasks", None), ("POST /hotline/v1/cases", HERE)),
    "mrc_counsellor": (("GET /intake/v1/cases", None), ("GET /registry/v1/workers", None)),
    "hotline_operator": (("POST /hotline/v1/cases", THERE), ("GET /intake/v1/cases", None)),
    "mission_officer": (("POST /hotline/v1/cases", HERE), ("GET /intake/v1/tasks", None)),
    "partner_worker": (("GET /referral/v1/referrals", None), ("GET /referral/v1/endpoints", None)),
    "partner_manager": (("GET /referral/v1/endpoints", None), ("POST /referral/v1/organizations", {"name": "X"})),
    "registry_clerk": (("POST /registry/v1/agencies", AGENCY), ("GET /registry/v1/audit", None)),
    "agency_officer": (("GET /registry/v1/agencies", None), ("GET /registry/v1/watch-list", None)),
    "labour_officer": (("GET /registry/v1/watch-list", None), ("POST /registry/v1/agencies", AGENCY)),
    "analyst": (("GET /intake/v1/figures", None), ("GET /intake/v1/cases", None)),
    "auditor": (("GET /intake/v1/audit", None), ("GET /intake/v1/cases", None)),
    "administrator": (("POST /referral/v1/organizations", {"name": "Một tổ chức"}), ("GET /intake/v1/audit", None)),
}


def verdict(operation: str, role: str) -> str:
    """Return what the access matrix says of a role's own objects."""
    return MATRIX[operation.split("/")[1]][operation][role].split(" / ")[0]
