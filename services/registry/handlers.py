"""What the registry does when intake asks for a person's contract, or tells of an allegation."""

from sqlmodel import Session

from services.registry import access, actions, rules
from services.registry.models import ContractLink, WatchEntry
from shared.access import locked, one, store
from shared.chain.witness import witnessed_by
from shared.concurrency import take_turn
from shared.contracts.intake import ContractLinkRequested, ViolationAlleged
from shared.contracts.registry import AgencyWatched
from shared.events import Handlers
from shared.outbox import publish


def link_contract(session: Session, event: ContractLinkRequested) -> None:
    """Tell intake which contract the person of a case has; a case that asks again, or of another document, is answered again."""
    actions.take_worker_turn(session, event.pseudonym)
    contract = session.exec(access.newest_contract_for(event)).one_or_none()
    link = _link(session, event)
    link.pseudonym = event.pseudonym
    actions.point(session, link, contract)


def watch_agency(session: Session, event: ViolationAlleged) -> None:
    """Put what a case alleges on the agency's watch; what is known already is no news."""
    agency = one(session, access.agency_for(event))
    take_turn(session, "watch", str(event.agency_id), str(event.case_id))
    known = session.exec(access.watch_entry_for(event)).one_or_none()
    if known is not None and rules.tells_nothing_new(known, event.allegations, event.clauses):
        return
    entry = _new_entry(session, event) if known is None else locked(session, access.watch_entry_for(event))
    rules.add_allegations(entry, event.allegations, event.clauses)
    publish(session, entry, AgencyWatched(agency_id=agency.id, case_id=event.case_id))


def _link(session: Session, event: ContractLinkRequested) -> ContractLink:
    if session.exec(access.link_for(event)).one_or_none() is None:
        return store(session, ContractLink(case_id=event.case_id, pseudonym=event.pseudonym))
    return locked(session, access.link_for(event))


def _new_entry(session: Session, event: ViolationAlleged) -> WatchEntry:
    return store(session, WatchEntry(agency_id=event.agency_id, case_id=event.case_id, allegations=[], clauses=[]))


HANDLERS: Handlers = {**witnessed_by("registry"), ContractLinkRequested: link_contract, ViolationAlleged: watch_agency}
