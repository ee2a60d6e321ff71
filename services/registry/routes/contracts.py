"""Contracts: a clerk registers any, an agency its own; the law's indications are told at once, and nobody is convicted."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from fastapi import status as http
from sqlmodel import Session

from services.registry import access, actions, rules
from services.registry.access import CanReadContracts, CanRegisterContract
from services.registry.models import Agency, Contract, LicenceEvent, LicenceStatus, Worker
from services.registry.schemas import ContractCreate, ContractRead, ContractSummary
from shared.access import one, store
from shared.audit import record_read
from shared.auth import Principal
from shared.contracts.registry import CostDetails, FindingDetails
from shared.edge import SessionDep, router
from shared.errors import Forbidden, InvalidInput
from shared.money import Money
from shared.paging import Page, Paging
from shared.people import open_sealed
from shared.permissions import Permission
from shared.person import StoredPerson
from shared.schema import CountryCode

api = router("/registry/v1/contracts")


@api.post("", status_code=http.HTTP_201_CREATED)
def register_contract(
    body: ContractCreate, registrar: CanRegisterContract, session: SessionDep, response: Response
) -> ContractRead:
    """Register a contract with what it cost; a worker under age is refused; cases that waited for it are linked."""
    if not access.registers_for(registrar, body.agency_id):
        raise Forbidden(permission=Permission.CONTRACT_REGISTER.value)
    worker = _worker(session, registrar, body.worker_id)
    _refuse_unknown_agency(session, registrar, body.agency_id)
    contract = _new_contract(body)
    costs = [CostDetails.model_validate(cost) for cost in contract.costs]
    findings = rules.assess(contract, costs, _born_on(session, worker))
    contract.findings = [finding.model_dump(mode="json") for finding in findings]
    store(session, contract)
    actions.link_waiting(session, worker, contract)
    response.headers["Location"] = f"/registry/v1/contracts/{contract.id}"
    return _shown(session, registrar, contract)


@api.get("")
def list_contracts(
    reader: CanReadContracts,
    session: SessionDep,
    paging: Paging,
    *,
    worker_id: UUID | None = None,
    agency_id: UUID | None = None,
    market: Annotated[CountryCode | None, Query()] = None,
) -> Page[ContractSummary]:
    """List the contracts the caller may see, newest first; of a worker, an agency, a market."""
    contracts = access.visible_contracts(reader)
    if worker_id is not None:
        contracts = contracts.where(Contract.worker_id == worker_id)
    if agency_id is not None:
        contracts = contracts.where(Contract.agency_id == agency_id)
    if market is not None:
        contracts = contracts.where(Contract.market == market)
    return paging.page(session, contracts, Contract.seq, ContractSummary)


@api.get("/{contract_id}")
def read_contract(contract_id: UUID, reader: CanReadContracts, session: SessionDep) -> ContractRead:
    """Read one contract with its costs and findings; the reading is recorded."""
    contract = one(session, access.visible_contracts(reader).where(Contract.id == contract_id))
    record_read(session, contract)
    return _shown(session, reader, contract)


def _worker(session: Session, registrar: Principal, worker_id: UUID) -> Worker:
    worker = session.exec(access.workers_to_contract(registrar).where(Worker.id == worker_id)).one_or_none()
    if worker is None:
        raise InvalidInput.at("/worker_id", "unknown", "một người lao động đã đăng ký", "a registered worker")
    return worker


def _refuse_unknown_agency(session: Session, registrar: Principal, agency_id: UUID) -> None:
    agency = session.exec(access.visible_agencies(registrar).where(Agency.id == agency_id)).one_or_none()
    if agency is None:
        raise InvalidInput.at("/agency_id", "unknown", "một doanh nghiệp đã đăng ký", "a registered agency")


def _born_on(session: Session, worker: Worker) -> date | None:
    """Open the worker's details for the check of age; an agency learns no more of them than that."""
    text = open_sealed(session, worker.id, "worker.details", worker.details)
    return StoredPerson.model_validate_json(text).born_on if text is not None else None


def _new_contract(body: ContractCreate) -> Contract:
    costs = [CostDetails(**cost.model_dump()).model_dump(mode="json") for cost in body.costs]
    # Amounts are dumped as text, and so are taken one by one.
    plain = body.model_dump(exclude={"monthly_wage", "rate", "costs"})
    wage = body.monthly_wage
    return Contract(**plain, monthly_wage=wage.amount, currency=wage.currency, rate=body.rate, costs=costs, findings=[])


def _licence_when_signed(session: Session, principal: Principal, contract: Contract) -> LicenceStatus | None:
    events = access.visible_licence_events(principal).where(LicenceEvent.agency_id == contract.agency_id)
    return rules.status_on(session.exec(events), contract.sending_contract_signed_on)


def _shown(session: Session, principal: Principal, contract: Contract) -> ContractRead:
    return ContractRead(
        **ContractSummary.model_validate(contract).model_dump(),
        monthly_wage=Money(amount=contract.monthly_wage, currency=contract.currency),
        supply_contract_approved_on=contract.supply_contract_approved_on,
        extension=contract.extension,
        rate=contract.rate,
        rate_on=contract.rate_on,
        rate_source=contract.rate_source,
        costs=[CostDetails.model_validate(cost) for cost in contract.costs],
        findings=[FindingDetails.model_validate(finding) for finding in contract.findings],
        licence_status_when_signed=_licence_when_signed(session, principal, contract),
        version=contract.version,
    )
