"""Everything that leaves the services but their answers to those who may read: written down while a story is played."""

import asyncio
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from typing import Any

from deploy.postgres import SERVICES, Server
from services.intake.handlers import APPLY
from services.referral.dispatcher.loop import Dispatcher
from shared.bus import Record
from shared.bus.embedded import EmbeddedBus, EmbeddedCarrier
from shared.fetch import ReadModel
from shared.logging import configure
from shared.tables import fetch
from tests.harness import House, own_logging
from tests.shared.webhooks.receivers import Receiver, answers, receiver

ADDRESS = re.compile(r"(https?:/)?/[^\s]*")


class ListeningHouse(House):
    """A house that remembers each event it carried."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.records: list[Record] = []

    def _take(self, service: str) -> list[Record]:
        taken = super()._take(service)
        self.records += taken
        return taken


class Listener:
    """Sends requests, and writes down what others than the caller could see of them."""

    def __init__(self, house: ListeningHouse, token: Any) -> None:
        self.house = house
        self.token = token
        self.problems: list[bytes] = []
        self.addresses: list[bytes] = []
        self.headers: list[bytes] = []
        self.webhooks: list[bytes] = []

    def send(self, who: dict[str, str], method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Make a request; keep problems, headers, and every address in the answer."""
        client = self.house.client(path.split("/")[1])
        options = {} if body is None else {"json": body}
        if isinstance(body, bytes):
            options = {"content": body}
            headers["Content-Type"] = "application/json"
        send = client.post if method == "POST" else lambda at, **more: client.request(method, at, **more)
        answer = send(path, headers={**who, **headers}, **options)
        self.headers.append(str(dict(answer.headers)).encode())
        if answer.is_success:
            self.addresses += [address.encode() for address in _addresses(answer.json() if answer.content else None)]
        else:
            self.problems.append(answer.content)
        return answer

    def does(self, who: dict[str, str], method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Make a request that succeeds; return its body."""
        answer = self.send(who, method, path, body, **headers)
        assert answer.is_success, (method, path, answer.text)
        return answer.json()

    def carry(self) -> None:
        """Carry events and bring what handlers asked for, until nothing waits any more."""
        while self.house.carry(*SERVICES) or self._bring():
            continue

    def _bring(self) -> int:
        """Fetch for intake what it asked for, from the owner's real route with intake's own token."""
        kinds: dict[str, type[ReadModel]] = {model.__name__: model for model in APPLY}
        waiting = [row for row in self.house.rows("intake", fetch) if row["done_at"] is None]
        for row in waiting:
            model = kinds[row["kind"]]
            who = self.token("service", client="intake", target=model.owner)
            answer = self.house.client(model.owner).get(model.path.format(**row["params"]), headers=who)
            assert answer.is_success, answer.text
            with self.house.session("intake", "system:fetch") as session:
                APPLY[model](session, model.model_validate_json(answer.content), dict(row["params"]))
                done = fetch.update().where(fetch.c.id == row["id"]).values(done_at=row["due_at"])
                session.connection().execute(done)
                session.commit()
        return len(waiting)

    def deposit(self) -> None:
        """Put every event that was carried into the mailboxes as the embedded carrier does."""
        engines = {service: self.house.runtime(service).engine for service in SERVICES}
        topics = sorted({record.topic for record in self.house.records})
        bus = EmbeddedBus(engines, dict.fromkeys(SERVICES, topics))
        asyncio.run(EmbeddedCarrier(bus, "intake").publish(self.house.records))

    def deliver(self, endpoint_path: str, who: dict[str, str], story: Any) -> None:
        """Run a partner's receiver and the dispatcher while the story goes on beside them."""
        asyncio.run(self._deliver(endpoint_path, who, story))

    async def _deliver(self, endpoint_path: str, who: dict[str, str], story: Any) -> None:
        async with receiver(answers(200)) as partner:
            await asyncio.to_thread(self.does, who, "POST", endpoint_path, {"url": partner.url()})
            expected = await asyncio.to_thread(story)
            stop = asyncio.Event()
            running = asyncio.create_task(Dispatcher(self.house.runtime("referral")).run(stop))
            await partner.has(expected)
            stop.set()
            await running
            self._keep(partner)

    def _keep(self, partner: Receiver) -> None:
        self.webhooks += [*partner.requests, *partner.bodies]


def _addresses(value: Any) -> Iterator[str]:
    """Find every text in an answer that is an address or a path."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from _addresses(part)
    elif isinstance(value, str) and ADDRESS.fullmatch(value):
        yield value


def dump_of(server: Server, database: str) -> bytes:
    """Return every row of every table of a database as text, binary columns in hexadecimal digits."""
    with server.connect(database) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        parts = []
        for (table,) in tables:
            with connection.cursor().copy(f'COPY "{table}" TO STDOUT') as rows:
                parts += [f"-- {table}\n".encode(), *(bytes(piece) for piece in rows)]
    return b"".join(parts)


@contextmanager
def logs() -> Iterator[io.StringIO]:
    """Let everything that is logged as in production go into a text, and put logging back afterwards."""
    with own_logging(), redirect_stderr(io.StringIO()) as text:
        configure("canary")
        yield text
