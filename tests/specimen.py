"""A small service for tests of the kit: routes that the real services have no reason to have, on a real runtime."""

import json
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Annotated, Any, Self
from uuid import UUID

import uvicorn
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query
from fastapi.responses import StreamingResponse
from pydantic import Field
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from deploy.identity import ISSUER
from services.hotline.access import CanReadCases, CanTriage, visible_cases
from services.hotline.models import Category, HotlineCase, Priority
from services.hotline.settings import Settings
from shared.access import locked, store
from shared.app import create_app
from shared.auth import PUBLIC, STORES_NOTHING
from shared.contracts.hotline import HotlineCaseTriaged
from shared.db import make_engine
from shared.edge import SessionDep, router
from shared.ids import new_id
from shared.outbox import publish
from shared.person import PersonDetails
from shared.process import vault_of
from shared.runtime import Runtime
from shared.schema import Input, Narrative, Output
from tests.harness import LINK_KEYS, Api, House, new_key

CANARY = "Canary-Hằng-090123"
"""A value that no answer to a refused request and no line of log may repeat."""
CASE = {
    "reference": "TPE-2026-0117",
    "country": "TW",
    "category": "labour_dispute",
    "complaint_types": ["unpaid_wages"],
    "person": {"name": "Nguyễn Thị Hằng", "phone": "+886912345678", "sex": "female"},
    "narrative": "Chủ giữ hộ chiếu, sáu tháng không trả lương.",
}


class Colour(StrEnum):
    """A choice."""

    RED = "red"
    GREEN = "green"


class Sheet(Input):
    """One field of each kind that a request body may have."""

    text: Annotated[str, Field(max_length=100)] = "x"
    number: Annotated[int, Field(ge=0, le=100)] = 0
    amount: Decimal = Decimal(0)
    day: date | None = None
    at: datetime | None = None
    id: UUID | None = None
    colour: Colour = Colour.RED
    marks: dict[str, list[int]] = Field(default_factory=dict)
    person: PersonDetails = PersonDetails()
    narrative: Narrative | None = None


class OfficeChange(Input):
    """A change to a case as a whole."""

    office: str


class CaseOffice(Output):
    """What the change answers."""

    id: UUID
    office: str | None
    version: int


api = router("/hotline/specimen")


@api.post("/sheets", openapi_extra={**PUBLIC, **STORES_NOTHING})
def check_sheet(body: Sheet) -> dict[str, str]:
    """Take a body of every kind, and say only that it was one."""
    return {"colour": body.colour}


@api.get("/sheets/{name}", openapi_extra=PUBLIC)
def read_sheet(name: str, term: Annotated[str, Query(max_length=50)] = "") -> dict[str, int]:
    """Take a path and a query of free text."""
    return {"length": len(name) + len(term)}


@api.get("/actor")
def read_actor(reader: CanReadCases) -> dict[str, str]:
    """Say who calls; touches no database."""
    return {"actor": reader.subject}


@api.patch("/cases/{case_id}")
def change_office(case_id: UUID, body: OfficeChange, operator: CanTriage, session: SessionDep) -> CaseOffice:
    """Change a case as a whole."""
    case = locked(session, visible_cases(operator).where(HotlineCase.id == case_id))
    case.office = body.office
    return CaseOffice.model_validate(case)


@api.post("/broken")
def break_after_all(operator: CanTriage, session: SessionDep) -> CaseOffice:
    """Store, publish, and fail at the very end."""
    case = store(session, new_case())
    publish(session, case, HotlineCaseTriaged(hotline_case_id=case.id, priority=case.priority))
    raise RuntimeError(CANARY, operator)


def _in_a_thread() -> int:
    """Be a plain dependency, which FastAPI would hand to another thread."""
    return 0


@api.get("/waiting", openapi_extra=PUBLIC)
def read_after_waiting(number: Annotated[int, Depends(_in_a_thread)]) -> int:
    """Depend on something that waits while the transaction is open."""
    return number


@api.post("/notices")
def note_something(operator: CanTriage) -> dict[str, str]:
    """Do something that is about no row, and answer differently each time."""
    return {"number": str(new_id()), "operator": operator.subject}


@api.get("/torn", openapi_extra=PUBLIC)
def tear_off() -> StreamingResponse:
    """Begin an answer and break in the middle of it."""

    def parts() -> Iterator[bytes]:
        yield b"begun"
        raise RuntimeError(CANARY)

    return StreamingResponse(parts())


@api.get("/teapot", openapi_extra=PUBLIC)
def refuse_coffee() -> None:
    """Refuse in a way that only the framework knows."""
    raise HTTPException(418, CANARY)


@api.post("/twice")
def store_twice(operator: CanTriage, session: SessionDep) -> CaseOffice:
    """Store the same reference twice, which the database refuses in words that quote it."""
    store(session, new_case(reference=CANARY, mission=operator.subject))
    return CaseOffice.model_validate(store(session, new_case(reference=CANARY, mission=operator.subject)))


def new_case(**changes: Any) -> HotlineCase:
    """Return a case that is stored nowhere yet."""
    case = {
        "mission": "TW",
        "reference": str(new_id()),
        "country": "TW",
        "category": Category.STRANDED,
        "complaint_types": [],
        "language": "vi",
        "priority": Priority.P2,
    }
    return HotlineCase(**{**case, **changes})


def specimen(runtime: Runtime, routers: Sequence[APIRouter] = (api,)) -> FastAPI:
    """Return the app of the specimen, on the runtime of a real service."""
    return create_app(runtime, title="Specimen", routers=routers)


def specimen_client(house: House) -> Api:
    """Return a client of the specimen on the hotline's database; failures come back as answers."""
    return client_of(specimen(house.runtime("hotline")))


def posted(house: House, token: Any, **changes: Any) -> dict[str, Any]:
    """Post a case through the hotline's API and return the answer's body."""
    answer = house.client("hotline").post(
        "/hotline/v1/cases", json={**CASE, **changes}, headers=token("mission_officer")
    )
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def as_owner(house: House, *statements: str) -> None:
    """Run statements in the hotline's cloned database as the role that owns its tables."""
    engine = create_engine(house.url("hotline", "owner"), poolclass=NullPool)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def counts(house: House) -> dict[str, int]:
    """Return how many rows each table holds that a posted case writes to."""
    tables = ("hotline_case", "outbox", "audit", "idempotency", "person_key")
    with house.runtime("hotline").engine.connect() as connection:
        return {table: connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() for table in tables}  # noqa: S608 - names of our own


def dry_settings(**changes: Any) -> Settings:
    """Return settings of a hotline whose database does not exist."""
    values: dict[str, Any] = {
        "env": "development",
        "public_url": "http://127.0.0.1:8000",
        "oidc_issuer": ISSUER,
        "oidc_jwks_url": "http://127.0.0.1:9/jwks.json",
        "oidc_token_url": "http://127.0.0.1:9/token",
        "database_url": "postgresql+psycopg://nobody@127.0.0.1:9/nothing",
        "service_keys": f"k1:{new_key()}",
        "client_secret": secrets.token_urlsafe(32),
        "search_keys": f"k1:{new_key()}",
        "link_keys": LINK_KEYS,
    }
    return Settings(**{**values, **changes})


def dry_runtime(**changes: Any) -> Runtime:
    """Return a runtime for what needs no database."""
    settings = dry_settings(**changes)
    engine = make_engine(settings.database_url.get_secret_value())
    return Runtime("hotline", settings, engine, vault_of("hotline", settings))


def client_of(app: FastAPI, **options: Any) -> Api:
    """Return a client of an app; failures come back as answers."""
    return Api(app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False, **options)


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serve an app over real HTTP on a free port; yields its base URL."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="on"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(timeout=20)


class KeyServer:
    """An issuer's key set over real HTTP, which counts how often it is asked and can refuse to answer."""

    def __init__(self) -> None:
        self.hits = 0
        self.status = 200
        self.published: Any = {"keys": []}
        outer = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.hits += 1
                body = json.dumps(outer.published).encode()
                self.send_response(outer.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/jwks.json"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop answering; to be closed twice is no mistake."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=10)
