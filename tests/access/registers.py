"""Requests to referral and the registry, each on an object made for it."""

from collections.abc import Callable
from typing import Any

from deploy.identity.demo import SHELTER_ORG
from shared.clock import now
from shared.codes.identity_numbers import IdKind
from shared.contracts.intake import ContractLinkRequested, ReferralRequested, ViolationAlleged
from shared.ids import new_id
from shared.person import pseudonym_of
from tests.access.world import Call, World, as_uuid

REFERRAL_ROOT = "/referral/v1"
REGISTRY_ROOT = "/registry/v1"
SERVICE = {"name": "Nhà Bình Yên", "service_type": "shelter"}
RECEIVER = {"url": "https://partner.example/hook"}
CONTRACT = {
    "market": "TW",
    "job": "domestic_work",
    "monthly_wage": {"amount": "17000000", "currency": "VND"},
    "months": 36,
    "sending_contract_signed_on": "2025-03-03",
}

Make = Callable[[World, str], Call]


def organization(world: World) -> str:
    """Put one more organisation into the directory."""
    body = {"name": "Một tổ chức khác"}
    return str(world.make("referral", f"{REFERRAL_ROOT}/organizations", body, "administrator")["id"])


def service(world: World) -> str:
    """Let the shelter offer a service."""
    path = f"{REFERRAL_ROOT}/organizations/{SHELTER_ORG}/services"
    return str(world.make("referral", path, SERVICE, "administrator")["id"])


def endpoint(world: World) -> str:
    """Let the shelter name where it wants to be told."""
    return str(world.make("referral", f"{REFERRAL_ROOT}/endpoints", RECEIVER, "partner_manager")["id"])


def referral(world: World) -> str:
    """Let intake ask the shelter for a client."""
    service(world)
    event = ReferralRequested(
        referral_id=new_id(),
        case_id=new_id(),
        organization_id=SHELTER_ORG,
        service_type="shelter",
        priority="p2",
        province="01",
        population="any",
        needs_bed=False,
        requested_at=now(),
    )
    world.house.handle("referral", event, key=event.case_id)
    return str(event.referral_id)


def accepted(world: World) -> str:
    """Let the shelter take a referral on."""
    referral_id = referral(world)
    world.make("referral", f"{REFERRAL_ROOT}/referrals/{referral_id}/accept", None, "partner_manager")
    return referral_id


def delivered_to(world: World) -> str:
    """Return a referral that the shelter's endpoint is to be told of."""
    endpoint(world)
    return referral(world)


def on_service(method_path: str, body: Any) -> Make:
    """Return a request on a service of the shelter."""
    return lambda world, _desk: Call(f"{REFERRAL_ROOT}/services/{service(world)}{method_path}", body)


def on_referral(make: Callable[[World], str], step: str = "", body: Any = None) -> Make:
    """Return a request on a referral that was brought so far."""
    return lambda world, _desk: Call(f"{REFERRAL_ROOT}/referrals/{make(world)}{step}", body)


def listed(make: Callable[[World], str], path: str) -> Make:
    """Return the reading of a list in which a new object stands."""
    return lambda world, _desk: Call(f"{path}?limit=100", row=make(world))


REFERRAL: dict[str, Make] = {
    "POST /referral/v1/organizations": lambda _world, _desk: Call(f"{REFERRAL_ROOT}/organizations", {"name": "Mới"}),
    "GET /referral/v1/organizations": listed(lambda _world: str(SHELTER_ORG), f"{REFERRAL_ROOT}/organizations"),
    "PATCH /referral/v1/organizations/{organization_id}": lambda world, _desk: Call(
        f"{REFERRAL_ROOT}/organizations/{organization(world)}", {"name": "Tên mới"}
    ),
    "POST /referral/v1/organizations/{organization_id}/services": lambda world, _desk: Call(
        f"{REFERRAL_ROOT}/organizations/{organization(world)}/services", SERVICE
    ),
    "PATCH /referral/v1/services/{service_id}": on_service("", {"name": "Tên mới"}),
    "GET /referral/v1/services/{service_id}": on_service("", None),
    "GET /referral/v1/services": listed(service, f"{REFERRAL_ROOT}/services"),
    "PUT /referral/v1/services/{service_id}/capacities/{population}": on_service("/capacities/women", {"total": 4}),
    "GET /referral/v1/referrals": listed(referral, f"{REFERRAL_ROOT}/referrals"),
    "GET /referral/v1/referrals/{referral_id}": on_referral(referral),
    "POST /referral/v1/referrals/{referral_id}/accept": on_referral(referral, "/accept"),
    "POST /referral/v1/referrals/{referral_id}/decline": on_referral(referral, "/decline", {"reason": "no_capacity"}),
    "POST /referral/v1/referrals/{referral_id}/complete": on_referral(accepted, "/complete"),
    "POST /referral/v1/endpoints": lambda _world, _desk: Call(f"{REFERRAL_ROOT}/endpoints", RECEIVER),
    "GET /referral/v1/endpoints": listed(endpoint, f"{REFERRAL_ROOT}/endpoints"),
    "DELETE /referral/v1/endpoints/{endpoint_id}": lambda world, _desk: Call(
        f"{REFERRAL_ROOT}/endpoints/{endpoint(world)}"
    ),
    "GET /referral/v1/deliveries": listed(delivered_to, f"{REFERRAL_ROOT}/deliveries"),
}


def person(world: World) -> dict[str, Any]:
    """Return a worker with a name and a document of her own."""
    number = world.number()
    return {"name": f"Lê Thị x{number}", "document": "cccd", "document_number": f"001{number:09d}"}


def worker(world: World, details: dict[str, Any] | None = None) -> str:
    """Register a worker of Ha Noi."""
    body = {"person": details or person(world), "province": "01"}
    return str(world.make("registry", f"{REGISTRY_ROOT}/workers", body, "registry_clerk")["id"])


def contract_body(world: World, worker_id: str | None = None) -> dict[str, Any]:
    """Return a contract of a new worker with the agency of its own officer."""
    return {**CONTRACT, "worker_id": worker_id or worker(world), "agency_id": world.agency_id}


def contract(world: World, worker_id: str | None = None) -> str:
    """Register such a contract."""
    body = contract_body(world, worker_id)
    return str(world.make("registry", f"{REGISTRY_ROOT}/contracts", body, "registry_clerk")["id"])


def search(world: World, _desk: str) -> Call:
    """Look for a worker by a name that nobody else has."""
    details = person(world)
    worker_id = worker(world, details)
    return Call(f"{REGISTRY_ROOT}/workers/search?limit=100", {"name": details["name"]}, row=worker_id)


def watched(world: World) -> str:
    """Let a complaint allege something against the agency."""
    agency_id = as_uuid(world.agency_id)
    alleged = {"allegations": ["broker_fee"], "clauses": [8]}
    event = ViolationAlleged(case_id=new_id(), agency_id=agency_id, contract_id=new_id(), **alleged)
    world.house.handle("registry", event)
    return str(agency_id)


def linked(world: World, _desk: str) -> Call:
    """Let intake ask which contract the person of a case has."""
    details = person(world)
    contract(world, worker(world, details))
    pseudonym = pseudonym_of(world.house.runtime("registry").vault, IdKind.CCCD, details["document_number"])
    event = ContractLinkRequested(case_id=new_id(), pseudonym=pseudonym)
    world.house.handle("registry", event, key=event.case_id)
    return Call(f"{REGISTRY_ROOT}/contract-links/{event.case_id}")


REGISTRY: dict[str, Make] = {
    "POST /registry/v1/agencies": lambda world, _desk: Call(f"{REGISTRY_ROOT}/agencies", world.agency()),
    "GET /registry/v1/agencies": listed(lambda world: world.agency_id, f"{REGISTRY_ROOT}/agencies"),
    "GET /registry/v1/agencies/{agency_id}": lambda world, _desk: Call(f"{REGISTRY_ROOT}/agencies/{world.agency_id}"),
    "PATCH /registry/v1/agencies/{agency_id}": lambda world, _desk: Call(
        f"{REGISTRY_ROOT}/agencies/{world.agency_id}", {"website": "https://songhong.example"}
    ),
    "POST /registry/v1/workers": lambda world, _desk: Call(
        f"{REGISTRY_ROOT}/workers", {"person": person(world), "province": "01"}
    ),
    "GET /registry/v1/workers": listed(worker, f"{REGISTRY_ROOT}/workers"),
    "GET /registry/v1/workers/{worker_id}": lambda world, _desk: Call(f"{REGISTRY_ROOT}/workers/{worker(world)}"),
    "POST /registry/v1/workers/search": search,
    "POST /registry/v1/contracts": lambda world, _desk: Call(f"{REGISTRY_ROOT}/contracts", contract_body(world)),
    "GET /registry/v1/contracts": listed(contract, f"{REGISTRY_ROOT}/contracts"),
    "GET /registry/v1/contracts/{contract_id}": lambda world, _desk: Call(
        f"{REGISTRY_ROOT}/contracts/{contract(world)}"
    ),
    "GET /registry/v1/watch-list": listed(watched, f"{REGISTRY_ROOT}/watch-list"),
    "GET /registry/v1/contract-links/{case_id}": linked,
}
