"""Linking cases to contracts: what the handler of a request and the registration of a contract share."""

from sqlmodel import Session

from services.registry import access
from services.registry.models import Contract, ContractLink, Worker
from shared.clock import now
from shared.concurrency import take_turn
from shared.contracts.registry import ContractLinked, ContractNotFound
from shared.outbox import publish


def take_worker_turn(session: Session, pseudonym: str) -> None:
    """Let a request for a worker's contract and its registration go one after the other, so that neither is missed."""
    take_turn(session, "worker", pseudonym)


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
    if worker.pseudonym is None:
        return
    take_worker_turn(session, worker.pseudonym)
    for link in session.exec(access.waiting_links(worker)).all():
        link.version, link.updated_at = link.version + 1, now()
        point(session, link, contract)
