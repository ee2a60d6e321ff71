"""Workers: clerks register them, labour officers find those of their province; who reads details is recorded."""

from typing import Any
from uuid import UUID

from fastapi import Response
from fastapi import status as http
from sqlmodel import Session, col

from services.registry import access, actions
from services.registry.access import CanReadWorkers, CanRegisterWorker
from services.registry.models import Worker
from services.registry.schemas import WorkerCreate, WorkerFound, WorkerRead, WorkerSearch, WorkerSummary
from shared.access import one, store
from shared.audit import record_read, record_reads
from shared.auth import STORES_NOTHING, Principal
from shared.edge import SessionDep, router
from shared.errors import Conflict
from shared.paging import Page, Paging
from shared.people import index_name, open_sealed, seal, unlock, with_name
from shared.person import PersonDetails, StoredPerson, blind_of, blinds_of, pseudonyms_of
from shared.runtime import runtime_of

api = router("/registry/v1/workers")


@api.post("", status_code=http.HTTP_201_CREATED)
def register_worker(
    body: WorkerCreate, clerk: CanRegisterWorker, session: SessionDep, response: Response
) -> WorkerRead:
    """Register a worker; a document that is registered already answers 409 with the worker who has it."""
    worker = Worker(province=body.province)
    pseudonyms = _know_document(session, clerk, worker, body.person)
    worker.details = seal(session, worker.id, actions.DETAILS, body.person.model_dump_json())
    store(session, worker)
    actions.name_worker(session, worker, pseudonyms)
    if body.person.name is not None:
        index_name(session, actions.NAMES, Worker, worker.id, body.person.name)
    response.headers["Location"] = f"/registry/v1/workers/{worker.id}"
    return _opened(session, worker)


@api.get("")
def list_workers(reader: CanReadWorkers, session: SessionDep, paging: Paging) -> Page[WorkerSummary]:
    """List the workers the caller may see, newest first, without who they are."""
    return paging.page(session, access.visible_workers(reader), Worker.seq, WorkerSummary)


@api.get("/{worker_id}")
def read_worker(worker_id: UUID, reader: CanReadWorkers, session: SessionDep) -> WorkerRead:
    """Read one worker with who it is; the reading is recorded."""
    worker = one(session, access.visible_workers(reader).where(Worker.id == worker_id))
    record_read(session, worker)
    return _opened(session, worker)


@api.post("/search", openapi_extra=STORES_NOTHING)
def search_workers(
    body: WorkerSearch, reader: CanReadWorkers, session: SessionDep, paging: Paging
) -> Page[WorkerFound]:
    """Find workers by name or by document, newest first; each one shown is recorded. For `next`, send the same body."""
    workers = access.visible_workers(reader)
    values: dict[str, Any] = {}
    if body.name is not None:
        name = body.name
        workers, values = with_name(session, workers, [actions.NAMES], Worker.seq, name, before=paging.before)
    if body.document is not None and body.document_number is not None:
        blinds = blinds_of(runtime_of(session).vault, body.document, body.document_number)
        workers = workers.where(col(Worker.number_blind).in_(blinds))
    rows, following = paging.rows(session, workers, Worker.seq, values=values)
    ids = [row.id for row in rows]
    unlock(session, ids)
    record_reads(session, Worker, ids)
    return Page(items=[_found(session, row) for row in rows], next=following)


def _know_document(session: Session, clerk: Principal, worker: Worker, person: PersonDetails) -> dict[str, str]:
    """Let the worker be found by its document, which no other worker may have; return its pseudonyms by link key."""
    if person.document is None or person.document_number is None:
        return {}
    vault = runtime_of(session).vault
    worker.number_blind = blind_of(vault, person.document, person.document_number)
    pseudonyms = pseudonyms_of(vault, person.document, person.document_number)
    actions.take_worker_turn(session, *pseudonyms.values())
    registered = session.exec(access.named(clerk, pseudonyms.values())).one_or_none()
    if registered is not None:
        raise Conflict("worker_registered", worker_id=str(registered.id))
    return pseudonyms


def _person(session: Session, worker: Worker) -> StoredPerson | None:
    text = open_sealed(session, worker.id, actions.DETAILS, worker.details)
    return StoredPerson.model_validate_json(text) if text is not None else None


def _found(session: Session, worker: Worker) -> WorkerFound:
    person = _person(session, worker) or StoredPerson()
    summary = WorkerSummary.model_validate(worker).model_dump()
    return WorkerFound(**summary, name=person.name, born_on=person.born_on)


def _opened(session: Session, worker: Worker) -> WorkerRead:
    summary = WorkerSummary.model_validate(worker).model_dump()
    return WorkerRead(**summary, person=_person(session, worker), version=worker.version)
