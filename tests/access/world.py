"""The world in which access is tried: four services with objects of one scope, made once and asked by everyone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, select

from deploy.identity.demo import LEGAL_AID_ORG, SHELTER_ORG
from shared.contracts.referral import OrganizationListed
from shared.ids import new_id
from shared.tables import audit
from tests.access.callers import OWN, Callers
from tests.harness import House


@dataclass(frozen=True)
class Call:
    """A request that would succeed for whoever may make it; `row` is what a list is searched for."""

    path: str
    body: Any = None
    row: str | None = None


@dataclass(frozen=True)
class Answer:
    """What came back, and the row that the caller should have found in a list."""

    status: int
    found: bool
    correlation_id: str
    object_id: str | None
    text: str


class World:
    """The services with their callers; objects belong to Ha Noi (01), or Nghe An for a counsellor, to TW, to a shelter."""

    def __init__(self, house: House, state: Path) -> None:
        self.house = house
        self._standing: dict[tuple[str, str], Call] = {}
        self._numbers = 0
        self.callers = Callers(state, "")
        self.agency_id = self.make("registry", "/registry/v1/agencies", self.agency(), "registry_clerk")["id"]
        self.callers = Callers(state, self.agency_id)
        for organization_id in (SHELTER_ORG, LEGAL_AID_ORG):
            body = {"id": str(organization_id), "name": "Một đối tác"}
            self.make("referral", "/referral/v1/organizations", body, "administrator")
            house.handle("intake", OrganizationListed(organization_id=organization_id, active=True))

    def ask(self, service: str, operation: str, caller: tuple[str, str], call: Call) -> Answer:
        """Make one request as this role with its own, a foreign, or nobody's scope; a list is read to its end."""
        method, template = operation.split(" ")
        correlation_id = str(new_id())
        headers = {**self.callers.headers(*caller, service), "X-Correlation-Id": correlation_id}
        if method in {"PUT", "PATCH", "DELETE"}:
            headers["If-Match"] = "*"
        answer = self._send(service, method, call.path, call.body, headers)
        found = self._holds(service, method, answer, call, headers)
        return Answer(answer.status_code, found, correlation_id, object_id_in(template, call.path), answer.text)

    def _send(self, service: str, method: str, path: str, body: Any, headers: Mapping[str, str]) -> Any:
        client = self.house.client(service)
        options = {} if body is None else {"json": body}
        if method == "POST":
            return client.post(path, headers=headers, **options)
        return client.request(method, path, headers=headers, **options)

    def _holds(self, service: str, method: str, answer: Any, call: Call, headers: Mapping[str, str]) -> bool:
        """Say whether the row stands anywhere in a list."""
        while call.row is not None and answer.status_code == 200:
            if call.row in answer.text:
                return True
            following = answer.json()["next"]
            if following is None:
                return False
            answer = self._send(service, method, following, call.body, headers)
        return False

    def call(self, operation: str, role: str, make: Callable[["World", str], Call], *, fresh: bool) -> Call:
        """Return the request: on an object of its own if it may change it, else on one that stands for all."""
        desk = role if role == "mrc_counsellor" else "osso_officer"
        if fresh:
            return make(self, desk)
        if (operation, desk) not in self._standing:
            self._standing[operation, desk] = make(self, desk)
        return self._standing[operation, desk]

    def denials(self, service: str, correlation_id: str) -> list[RowMapping]:
        """Return what the audit holds of a refused request."""
        of_request = (audit.c.correlation_id == correlation_id, audit.c.outcome == "denied")
        with self.house.runtime(service).engine.connect() as connection:
            return list(connection.execute(select(audit).where(*of_request)).mappings())

    def make(self, service: str, path: str, body: Any, role: str, sub: str = "arranger", **claims: str) -> Any:
        """Post as someone who may, and who is none of the callers; return the answer's body."""
        headers = self.callers.bearer(role, service, sub, **(claims or OWN.get(role, {})))
        answer = self._send(service, "POST", path, body, headers)
        assert answer.is_success, (path, answer.text)
        return answer.json()

    def read(self, service: str, path: str, role: str, **claims: str) -> int:
        """Read as a role with these claims; return the status."""
        headers = self.callers.bearer(role, service, **claims)
        return int(self._send(service, "GET", path, None, headers).status_code)

    def number(self) -> int:
        """Return a number that was not given before."""
        self._numbers += 1
        return self._numbers

    def agency(self) -> dict[str, Any]:
        """Return an agency with an enterprise code of its own."""
        return {
            "name": "Công ty Sông Hồng",
            "licence_number": "123/LĐTBXH-GP",
            "enterprise_code": f"01{self.number():08d}",
            "licence_status_on": "2020-03-01",
        }


def object_id_in(template: str, path: str) -> str | None:
    """Return the last id that stands where the template leaves a place open."""
    pairs = zip(template.split("/"), path.partition("?")[0].split("/"), strict=True)
    return next((part for place, part in reversed(list(pairs)) if place.endswith("_id}")), None)


def as_uuid(text: Any) -> UUID:
    """Return an id of an answer as events carry it."""
    return UUID(str(text))
