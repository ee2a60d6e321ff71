"""What of the registry hangs on its keys: data keys, the names and numbers workers are found by, and their pseudonyms."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from cryptography.exceptions import InvalidTag
from sqlalchemy import delete, func, select
from sqlmodel import Session, col

from services.registry import access, actions
from services.registry.models import Worker, WorkerPseudonym
from shared import people
from shared.keys import KIT, TRIALS, Dependent, IndexedPeople, Kind, fits
from shared.people import open_sealed, unlock
from shared.person import StoredPerson, pseudonyms_of
from shared.runtime import runtime_of


class Pseudonyms:
    """Workers as intake's requests name them: each is known under every link key we hold, so that no request is missed."""

    kind: ClassVar[Kind] = Kind.LINK
    what = "workers known by this pseudonym alone"

    def counts(self, session: Session) -> dict[str, int]:
        """Count those known under the current key, and under each other key those who are not."""
        current = next(iter(_ring(session)))
        key_id = col(WorkerPseudonym.key_id)
        counted = select(key_id, func.count()).where(*access.needed_under(current)).group_by(key_id)
        return {row[0]: row[1] for row in session.connection().execute(counted)}

    def due(self, session: Session, after: UUID | None, limit: int) -> Sequence[UUID]:
        """Return workers with a document whose pseudonyms are not those of the ring."""
        workers = access.workers_named_otherwise(_ring(session)).order_by(col(Worker.id)).limit(limit)
        return session.exec(workers if after is None else workers.where(col(Worker.id) > after)).all()

    def move(self, session: Session, ids: Sequence[UUID]) -> None:
        """Write the pseudonyms of the ring, and link what came under one of them before we knew it."""
        workers = session.exec(access.workers_to_name(ids)).all()
        unlock(session, ids)
        for worker in workers:
            if pseudonyms := _pseudonyms(session, worker):
                _name(session, worker, pseudonyms)

    def opens(self, session: Session, key_id: str) -> bool:
        """Make the pseudonyms of some workers under that key, and compare them with the stored ones."""
        tried = session.exec(access.named_under(key_id).limit(TRIALS)).all()
        return fits(_is_named(session, row[0], key_id, row[1]) for row in tried)


def _ring(session: Session) -> list[str]:
    return list(runtime_of(session).vault.link_keys)


def _pseudonyms(session: Session, worker: Worker) -> dict[str, str]:
    """Return a worker's pseudonyms by link key; none for someone erased or without a document."""
    text = open_sealed(session, worker.id, actions.DETAILS, worker.details)
    person = StoredPerson.model_validate_json(text) if text is not None else StoredPerson()
    if person.document is None or person.document_number is None:
        return {}
    return pseudonyms_of(runtime_of(session).vault, person.document, person.document_number)


def _is_named(session: Session, worker: Worker, key_id: str, pseudonym: str) -> bool | None:
    try:
        ours = _pseudonyms(session, worker).get(key_id)
    except (InvalidTag, LookupError):
        return None
    return None if ours is None else ours == pseudonym


def _name(session: Session, worker: Worker, pseudonyms: dict[str, str]) -> None:
    """A key that left the ring takes its pseudonyms with it."""
    actions.take_worker_turn(session, *pseudonyms.values())
    old = delete(WorkerPseudonym).where(col(WorkerPseudonym.worker_id) == worker.id)
    session.connection().execute(old.where(col(WorkerPseudonym.key_id).not_in(pseudonyms)))
    actions.name_worker(session, worker, pseudonyms)
    contract = session.exec(access.newest_contract_of(worker)).first()
    if contract is not None:
        actions.link_waiting(session, worker, contract)


def erase_again(session: Session, person_id: UUID, at: datetime) -> None:
    """Apply an erasure of the ledger to what was restored; whoever is not there cannot come later either."""
    people.erase(session, person_id, at)
    for worker in session.exec(access.workers_to_name([person_id])).all():
        worker.details = worker.number_blind = None
        named = col(WorkerPseudonym.worker_id) == worker.id
        session.connection().execute(delete(WorkerPseudonym).where(named))


KEYS: tuple[Dependent, ...] = (
    *KIT,
    IndexedPeople("workers found by name or number", Worker, actions.DETAILS, lambda _worker: actions.NAMES),
    Pseudonyms(),
)
