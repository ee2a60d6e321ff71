"""Linking cases to contracts: what the handler of a request and the registration of a contract share."""

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session

from services.registry import access
from services.registry.models import Contract, ContractLink, Worker, WorkerPseudonym
from shared.clock import now
from shared.concurrency import take_turn
from shared.contracts.registry import ContractLinked, ContractNotFound
from shared.outbox import publish

DETAILS = "worker.details"
NAMES = "worker"
"""The one scope of workers' names: whoever may search them searches all."""


def take_worker_turn(session: Session, *pseudonyms: str) -> None:
    """Let a request for a worker's contract and its registration go one after the other, so that neither is missed.

    Whoever knows a worker by several pseudonyms takes a turn at each: a request comes by one of them.
    """
    for pseudonym in sorted(pseudonyms):
        take_turn(session, "worker", pseudonym)


def name_worker(session: Session, worker: Worker, pseudonyms: dict[str, str]) -> None:
    """Let requests find a worker by these pseudonyms, one for each link key; those it has already stay."""
    rows = [{"pseudonym": pseudonyms[key], "worker_id": worker.id, "key_id": key} for key in pseudonyms]
    if rows:
        session.connection().execute(insert(WorkerPseudonym).on_conflict_do_nothing(), rows)


def point(session: Session, link: ContractLink, contract: Contract | None) -> None:
    """Let a new or locked link point to a contract, or to none, and tell intake."""
    if contract is None:
        link.contract_id = link.agency_id = None
        publish(session, link, ContractNotFound(case_id=link.case_id))
        return
    link.contract_id, link.agency_id = contract.id, contract.agency_id
    linked = ContractLinked(case_id=link.case_id, contract_id=contract.id, agency_id=contract.agency_id)
    publish(session, link, linked)


def link_waiting(session: Session, worker: Worker, contract: Contract) -> None:
    """Link the cases that asked before this contract was registered.

    The links are locked here and not through `locked`: the first row that locks is what the answer's ETag and its
    replay speak of, and to an agency officer no link may show.
    """
    session.exec(access.held(worker)).one()
    take_worker_turn(session, *session.exec(access.pseudonyms_of(worker)).all())
    for link in session.exec(access.waiting_links(worker)).all():
        link.version, link.updated_at = link.version + 1, now()
        point(session, link, contract)
