"""What a route and a handler both do: take a person's details down, ask the registry for her contract, tell the timeline."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row
from sqlmodel import Session

from services.intake import access
from services.intake.models import CaseFile, LinkState, Person, TimelineEntry, Told
from shared import people
from shared.audit import enter
from shared.clock import now
from shared.concurrency import take_turn
from shared.contracts.intake import ContractLinkRequested
from shared.outbox import publish
from shared.people import index_name, open_sealed, seal
from shared.person import PersonDetails, StoredPerson, blind_of, pseudonym_of
from shared.runtime import act_of, runtime_of

DETAILS = "person.details"
NARRATIVE = "case_file.narrative"


def tell(session: Session, case: CaseFile, code: Told, **details: object) -> None:
    """Write one step into a case's timeline; `details` are codes, ids and numbers, never what someone said."""
    enter(session, TimelineEntry, case_id=case.id, at=now(), code=code, actor=act_of(session).actor, details=details)


def hold_person(session: Session, person_id: object) -> None:
    """Keep a person from being erased while something begins for her, and the other way round.

    It is held before any row is locked: an erasure holds it too, and then waits for the rows of her cases.
    """
    take_turn(session, "person", str(person_id))


def take_down(session: Session, person: Person, details: PersonDetails | StoredPerson) -> None:
    """Seal a person's details into her row, and make her findable by name and number."""
    person.details = seal(session, person.id, DETAILS, details.model_dump_json())
    if details.document is not None and details.document_number is not None:
        person.number_blind = blind_of(runtime_of(session).vault, details.document, details.document_number)
    if details.name is not None:
        index_name(session, person.province, Person, person.id, details.name)


def forget(session: Session, person: Person, at: datetime | None = None) -> None:
    """Destroy what opens and finds a locked person's details, and tell it in every case of hers; again, it is harmless."""
    people.erase(session, person.id, at)
    person.details = person.number_blind = None
    if person.erased_at is not None:
        return
    person.erased_at = at or now()
    for case in session.exec(access.cases_of(person)).all():
        tell(session, case, Told.PERSON_ERASED)


def opened(session: Session, person: Person | Row[Any]) -> StoredPerson | None:
    """Return a person's details; None while they are not known, and after erasure."""
    text = open_sealed(session, person.id, DETAILS, person.details)
    return StoredPerson.model_validate_json(text) if text is not None else None


def ask_for_contract(session: Session, case: CaseFile, details: PersonDetails | StoredPerson | None) -> None:
    """Ask the registry, by pseudonym, which contract is this person's; without a number there is nothing to ask by."""
    if details is None or details.document is None or details.document_number is None:
        return
    case.link_state = LinkState.REQUESTED
    tell(session, case, Told.LINK_REQUESTED)
    pseudonym = pseudonym_of(runtime_of(session).vault, details.document, details.document_number)
    case.asked_under = pseudonym.partition(".")[0]
    publish(session, case, ContractLinkRequested(case_id=case.id, pseudonym=pseudonym))
