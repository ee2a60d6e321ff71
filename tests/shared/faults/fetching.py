"""A service that fetches from others over real HTTP: its settings, what it asks for, what became of it."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import uvicorn
from sqlalchemy import RowMapping, select

from deploy.identity.clients import client_secret
from shared.clock import now
from shared.contracts.hotline import HandOverDetails
from shared.fetch import Appliers, ReadModel, ask
from shared.ids import new_id
from shared.runtime import Runtime
from shared.tables import fetch
from tests.harness import House, free_port
from tests.hotline.test_routes import CASE
from tests.shared.faults.world import ACT, World, note_hand_over, open_runtime

APPLY: Appliers = {HandOverDetails: note_hand_over}
NARRATIVE = len(str(CASE["narrative"]))
Token = Callable[..., dict[str, str]]


class Answer(ReadModel):
    """What a strange owner answers; which answer, the path says."""

    owner: ClassVar[str] = "referral"
    path: ClassVar[str] = "/answers/{kind}"

    number: int


class Asker:
    """A service that asks the others, on the consuming database of a world and with its own identity."""

    def __init__(self, world: World, issuer: tuple[str, Path]) -> None:
        self._settings: dict[str, Any] = {
            "oidc_token_url": f"{issuer[0]}/identity/token",
            "client_secret": client_secret(issuer[1], "intake"),
        }
        self._url = world.consumer.settings.database_url.get_secret_value()
        self.opened: list[Runtime] = []

    def runtime(self, **changes: str) -> Runtime:
        self.opened.append(open_runtime("intake", self._url, **{**self._settings, **changes}))
        return self.opened[-1]

    def environment(self, **changes: str) -> str:
        return json.dumps({"url": self._url, **self._settings, **changes})


@contextlib.contextmanager
def served(app: Any, port: int | None = None) -> Iterator[str]:
    """Serve an app over HTTP until the end of the block; yield its address."""
    port = port or free_port()
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(timeout=10)


def post_case(house: House, token: Token, *, hand_over: bool = True) -> UUID:
    """Have a case posted, and handed over; return its id."""
    client, body = house.client("hotline"), {**CASE, "reference": str(new_id())}
    case = client.post("/hotline/v1/cases", json=body, headers=token("mission_officer")).json()["id"]
    if hand_over:
        path = f"/hotline/v1/cases/{case}"
        client.post(f"{path}/triage", json={"priority": "p0"}, headers=token("hotline_operator"))
        answer = client.post(f"{path}/hand-over", json={"office": "osso-ha-noi"}, headers=token("hotline_operator"))
        assert answer.status_code == 200, answer.text
    return UUID(case)


def want(runtime: Runtime, wanted: type[ReadModel], **params: object) -> None:
    with runtime.session(ACT) as session:
        ask(session, wanted, **params)
        session.commit()


def rows(world: World) -> list[RowMapping]:
    with world.consumer.engine.connect() as connection:
        return list(connection.execute(select(fetch).order_by(fetch.c.id)).mappings())


def let_time_pass(world: World) -> None:
    """Make every fetch due, as it would be by itself after its delay or its lease."""
    with world.consumer.engine.begin() as connection:
        connection.execute(fetch.update().values(due_at=now()))


def problems(world: World) -> list[str | None]:
    return [row["last_problem"] for row in rows(world)]
