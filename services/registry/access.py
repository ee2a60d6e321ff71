"""Who may do what at the registry, and which rows exist for them; every read starts here.

An agency that would retaliate must learn nothing: watch entries and links to cases exist for none of its officers.
"""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import false, func, or_
from sqlalchemy.orm import aliased
from sqlmodel import col, select
from sqlmodel.sql.expression import Select, SelectOfScalar

from services.registry.models import (
    Agency,
    Contract,
    ContractLink,
    LicenceEvent,
    WatchEntry,
    Worker,
    WorkerPseudonym,
)
from shared.access import kept
from shared.auth import Principal, requires
from shared.contracts.intake import ContractLinkRequested, ViolationAlleged
from shared.permissions import Permission, Role

CanFetchLink = Annotated[Principal, requires(Permission.CONTRACT_LINK_FETCH)]
CanReadAgencies = Annotated[Principal, requires(Permission.AGENCY_READ)]
CanReadContracts = Annotated[Principal, requires(Permission.CONTRACT_READ)]
CanReadWatch = Annotated[Principal, requires(Permission.WATCH_READ)]
CanReadWorkers = Annotated[Principal, requires(Permission.WORKER_READ)]
CanRegisterAgency = Annotated[Principal, requires(Permission.AGENCY_REGISTER)]
CanRegisterContract = Annotated[Principal, requires(Permission.CONTRACT_REGISTER)]
CanRegisterWorker = Annotated[Principal, requires(Permission.WORKER_REGISTER)]

_NEWEST = (col(Contract.sending_contract_signed_on).desc(), col(Contract.seq).desc())

FETCHERS = frozenset({"intake"})
"""Services that links are made for."""


def agency_of(principal: Principal) -> UUID | None:
    """Return the agency that an agency officer speaks for; None for everyone else, and for a claim that names none."""
    if not principal.has(Role.AGENCY_OFFICER) or principal.agency is None:
        return None
    try:
        return UUID(principal.agency)
    except ValueError:
        return None


def registers_for(principal: Principal, agency_id: UUID) -> bool:
    """Say whether the caller may register a contract of this agency: a clerk any, an agency officer its own."""
    return principal.has(Role.REGISTRY_CLERK) or agency_of(principal) == agency_id


@kept
def visible_agencies(principal: Principal) -> SelectOfScalar[Agency]:
    """Clerks and labour officers see every agency, an agency officer its own."""
    agencies = select(Agency)
    if principal.has(Role.REGISTRY_CLERK) or principal.has(Role.LABOUR_OFFICER):
        return agencies
    own = agency_of(principal)
    return agencies.where(Agency.id == own) if own else agencies.where(false())


@kept
def visible_licence_events(principal: Principal) -> SelectOfScalar[LicenceEvent]:
    """Return the history of the licences of the agencies that the caller sees."""
    return select(LicenceEvent).where(
        col(LicenceEvent.agency_id).in_(visible_agencies(principal).with_only_columns(col(Agency.id)))
    )


@kept
def visible_workers(principal: Principal) -> SelectOfScalar[Worker]:
    """Clerks see every worker, a labour officer those of its province."""
    workers = select(Worker)
    if principal.has(Role.REGISTRY_CLERK):
        return workers
    if principal.has(Role.LABOUR_OFFICER) and principal.province:
        return workers.where(Worker.province == principal.province)
    return workers.where(false())


def workers_to_contract(principal: Principal) -> SelectOfScalar[Worker]:
    """Return the workers a caller may register a contract for: an agency knows the ids of those it signed with.

    Nothing of these rows is shown to it.
    """
    workers = select(Worker)
    may = principal.has(Role.REGISTRY_CLERK) or agency_of(principal) is not None
    return workers if may else workers.where(false())


@kept
def visible_contracts(principal: Principal) -> SelectOfScalar[Contract]:
    """Clerks see every contract, an agency officer its agency's, a labour officer those of its province's workers."""
    contracts = select(Contract)
    if principal.has(Role.REGISTRY_CLERK):
        return contracts
    if principal.has(Role.LABOUR_OFFICER) and principal.province:
        return contracts.join(Worker, col(Contract.worker_id) == Worker.id).where(Worker.province == principal.province)
    own = agency_of(principal)
    return contracts.where(Contract.agency_id == own) if own else contracts.where(false())


@kept
def visible_watch_entries(principal: Principal) -> SelectOfScalar[WatchEntry]:
    """Clerks and labour officers may add up what is alleged; for anyone else, and an agency's officer above all, nothing is."""
    entries = select(WatchEntry)
    may = principal.has(Role.REGISTRY_CLERK) or principal.has(Role.LABOUR_OFFICER)
    return entries if may and not principal.has(Role.AGENCY_OFFICER) else entries.where(false())


def watched_agencies(principal: Principal) -> SelectOfScalar[Agency]:
    """Return the agencies that something is alleged against."""
    watched = visible_watch_entries(principal).with_only_columns(col(WatchEntry.agency_id))
    return visible_agencies(principal).where(col(Agency.id).in_(watched))


@kept
def visible_links(principal: Principal) -> SelectOfScalar[ContractLink]:
    """Return the links that found a contract, for the service that asked for them."""
    links = select(ContractLink).where(col(ContractLink.contract_id).is_not(None))
    return links if principal.client in FETCHERS else links.where(false())


def linked_contract(link: ContractLink) -> SelectOfScalar[Contract]:
    """Return the contract that a visible link points to."""
    return select(Contract).where(Contract.id == link.contract_id)


def linked_agency(link: ContractLink) -> SelectOfScalar[Agency]:
    """Return the agency that a visible link points to."""
    return select(Agency).where(Agency.id == link.agency_id)


def named(principal: Principal, pseudonyms: Iterable[str]) -> SelectOfScalar[Worker]:
    """Return the visible worker that has one of these pseudonyms."""
    named = select(WorkerPseudonym.worker_id).where(col(WorkerPseudonym.pseudonym).in_(list(pseudonyms)))
    return visible_workers(principal).where(col(Worker.id).in_(named))


def pseudonyms_of(worker: Worker) -> SelectOfScalar[str]:
    """Return how requests may name this worker."""
    return select(WorkerPseudonym.pseudonym).where(WorkerPseudonym.worker_id == worker.id)


def held(worker: Worker) -> SelectOfScalar[UUID]:
    """Keep a worker's pseudonyms as they are: whoever changes them locks the row."""
    return select(Worker.id).where(Worker.id == worker.id).with_for_update(read=True)


def newest_contract_of(worker: Worker) -> SelectOfScalar[Contract]:
    """Return the worker's newest contract."""
    return select(Contract).where(Contract.worker_id == worker.id).order_by(*_NEWEST).limit(1)


def waiting_links(worker: Worker) -> SelectOfScalar[ContractLink]:
    """Return, locked, the links that wait for a contract of this worker; the caller has taken the worker's turn."""
    waiting = select(ContractLink).where(col(ContractLink.contract_id).is_(None))
    asked = waiting.where(col(ContractLink.pseudonym).in_(pseudonyms_of(worker)))
    return asked.order_by(col(ContractLink.id)).with_for_update()


def link_for(event: ContractLinkRequested) -> SelectOfScalar[ContractLink]:
    """Return the link of the case that intake asks for."""
    return select(ContractLink).where(ContractLink.case_id == event.case_id)


def newest_contract_for(event: ContractLinkRequested) -> SelectOfScalar[Contract]:
    """Return the newest contract of the worker that intake's pseudonym means."""
    of_worker = col(Contract.worker_id) == WorkerPseudonym.worker_id
    contracts = select(Contract).join(WorkerPseudonym, of_worker)
    return contracts.where(WorkerPseudonym.pseudonym == event.pseudonym).order_by(*_NEWEST).limit(1)


def needed_under(current: str) -> tuple[Any, ...]:
    """Return the conditions that a pseudonym is needed: it is of the current link key, or its worker has none of that."""
    renewed = aliased(WorkerPseudonym)
    of_same = select(renewed.worker_id).where(renewed.worker_id == WorkerPseudonym.worker_id, renewed.key_id == current)
    return (or_(col(WorkerPseudonym.key_id) == current, ~of_same.exists()),)


def workers_named_otherwise(ring: Sequence[str]) -> SelectOfScalar[UUID]:
    """Return the workers with a document who lack a pseudonym under a key of the ring, or have one under another."""
    named = select(func.count()).select_from(WorkerPseudonym).where(WorkerPseudonym.worker_id == Worker.id)
    of_ring = col(WorkerPseudonym.key_id).in_(ring)
    lacking = named.where(of_ring).scalar_subquery() < len(ring)
    beyond = named.where(~of_ring).scalar_subquery() > 0
    return select(Worker.id).where(col(Worker.number_blind).is_not(None), or_(lacking, beyond))


def workers_to_name(ids: Sequence[UUID]) -> SelectOfScalar[Worker]:
    """Return workers, locked, whose pseudonyms are made anew."""
    workers = select(Worker).where(col(Worker.id).in_(ids)).order_by(col(Worker.id))
    return workers.with_for_update(key_share=True)


def named_under(key_id: str) -> Select[Worker, str]:
    """Return the workers with their pseudonyms under this link key."""
    of_worker = col(WorkerPseudonym.worker_id) == Worker.id
    rows = select(Worker, WorkerPseudonym.pseudonym).join(WorkerPseudonym, of_worker)
    return rows.where(WorkerPseudonym.key_id == key_id)


def agency_for(event: ViolationAlleged) -> SelectOfScalar[Agency]:
    """Return the agency that a complaint is about."""
    return select(Agency).where(Agency.id == event.agency_id)


def watch_entry_for(event: ViolationAlleged) -> SelectOfScalar[WatchEntry]:
    """Return what this case alleged against this agency before."""
    return select(WatchEntry).where(WatchEntry.agency_id == event.agency_id, WatchEntry.case_id == event.case_id)


VISIBLE: dict[str, Any] = {"agency": visible_agencies, "contract": visible_contracts, "worker": visible_workers}
