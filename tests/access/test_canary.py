"""Canaries through the whole journey: no name, number, phone or story may be seen in logs, errors, addresses, events or dumps."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import text

from deploy.identity.demo import SHELTER_ORG
from deploy.postgres import SERVICES, Server
from shared.bus import Record
from shared.clock import now
from shared.contracts.referral import ReferralAccepted
from shared.events import Envelope, headers_for, topic_of
from shared.ids import new_id
from shared.logging import get_logger
from shared.tables import dead_letter, mailbox
from tests.access import canaries
from tests.access.canaries import BORN_ON, NAME, NARRATIVE, NEEDLES, NUMBER, PHONE, SECOND_NAME, dresses, spellings
from tests.access.journey import Journey
from tests.access.listening import Listener, ListeningHouse, dump_of, logs

_numbers = itertools.count()


@pytest.fixture
def listener(server: Server, issuer: tuple[str, Path], token: Any) -> Iterator[Listener]:
    """Four services, and ears in all their walls."""
    house = ListeningHouse(server, issuer[0], f"canary{os.getpid()}_{next(_numbers)}")
    for service in SERVICES:
        house.runtime(service)
    yield Listener(house, token)
    house.close()


def databases(server: Server, house: ListeningHouse) -> dict[str, list[bytes]]:
    return {f"database {service}": [dump_of(server, house.database(service))] for service in SERVICES}


@pytest.mark.parametrize("name", NEEDLES)
def test_the_detector_knows_a_canary_in_every_dress(name: str) -> None:
    for spelling in spellings(NEEDLES[name]):
        for how, code in dresses(spelling).items():
            assert canaries.found_in(b"before " + code + b" behind"), (spelling, how)


def test_the_detector_finds_what_is_planted_in_logs_and_tables(listener: Listener, server: Server) -> None:
    planted = {"name": NAME.encode().hex(), "note": canaries.NOTE}
    with logs() as written:
        get_logger("canary").warning("planted", who=NAME)
    with listener.house.runtime("registry").engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO dead_letter (topic, headers, payload, reason, state)"
                " VALUES ('t', '{}', decode(:name, 'hex'), :note, 'dead')"
            ),
            planted,
        )

    seen = list(canaries.sightings({"logs": [written.getvalue().encode()], **databases(server, listener.house)}))

    assert "logs: name as it is" in seen
    assert "database registry: name as it is" in seen
    assert "database registry: note as it is" in seen
    assert not [line for line in seen if line.startswith(("database intake", "database hotline"))]


def test_no_canary_is_seen_anywhere_after_the_whole_journey(
    listener: Listener, server: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    house = listener.house
    with logs() as written:
        Journey(listener).play()
        provoke_errors(listener)
        provoke_dead_letter(house)
        listener.deposit()

    sources = {
        "logs": [written.getvalue().encode(), *(part.encode() for part in capfd.readouterr())],
        "problems": listener.problems,
        "addresses": listener.addresses,
        "headers": listener.headers,
        "events": [repr(record).encode() + record.value for record in house.records if record.value],
        "webhooks": listener.webhooks,
        "log of PostgreSQL": [server.log.read_bytes()],
        **databases(server, house),
    }
    told = {source: len(b"".join(parts)) for source, parts in sources.items()}
    assert not [source for source, size in told.items() if size == 0 and not source.startswith("log of")]
    seen = list(canaries.sightings(sources))
    assert not seen, "\n".join(seen)
    assert all(house.rows(service, mailbox) for service in SERVICES)
    assert house.rows("intake", dead_letter)


def provoke_errors(listener: Listener) -> None:
    """Put canaries where they do not belong; every answer is a problem, and none may repeat them."""
    for role, method, path, body in mistakes():
        who = listener.token(role) if role else {}
        answer = listener.send(who, method, path, body, **({"If-Match": "*"} if method == "PATCH" else {}))
        assert 400 <= answer.status_code < 500, (method, path, answer.status_code)


def mistakes() -> Iterator[tuple[str, str, str, Any]]:
    """Every kind of mistake with a canary in it: in bodies, as a field's name, in queries, in paths, without a token."""
    person = {"name": NAME, "phone": PHONE, "document": "cccd", "document_number": NUMBER, "born_on": BORN_ON}
    for role, path in (
        ("osso_officer", "/intake/v1/cases"),
        ("mission_officer", "/hotline/v1/cases"),
        ("registry_clerk", "/registry/v1/workers"),
        ("administrator", "/referral/v1/organizations"),
        ("partner_manager", "/referral/v1/endpoints"),
    ):
        yield role, "POST", path, {NAME: NARRATIVE, NUMBER: PHONE, "note": NARRATIVE}
        yield role, "POST", path, dict.fromkeys(FIELDS, NARRATIVE)
        yield role, "POST", path, {**dict.fromkeys(FIELDS, NUMBER), "person": {**person, NAME: 1, "sex": NAME}}
        yield role, "POST", path, f'{{"name": "{NAME}", '.encode()
        yield role, "POST", path, [NAME, NUMBER]
        yield role, "GET", f"{path}?limit={quote(NAME)}&cursor={NUMBER}", None
        yield role, "GET", f"{path}?cursor={quote(NAME)}&status={quote(NAME)}", None
        yield role, "GET", f"{path}/{quote(NAME)}", None
        yield role, "PATCH", f"{path}/{NUMBER}", {"priority": NAME}
        yield "analyst", "GET", f"{path}/{quote(NAME)}", None
        yield "analyst", "POST", path, person
        yield "", "POST", path, person
        yield "", "GET", f"{path}?name={quote(NAME)}&number={NUMBER}", None
    yield "osso_officer", "POST", "/intake/v1/people/search", {"name": NAME, "document_number": NUMBER}
    yield "osso_officer", "POST", f"/intake/v1/people/search?limit={quote(SECOND_NAME)}", {"name": NAME}
    yield "analyst", "POST", f"/intake/v1/people/{quote(NAME)}/erase", None
    yield "osso_supervisor", "POST", f"/intake/v1/people/{NUMBER}/erase", None
    yield "partner_worker", "GET", f"/intake/v1/disclosures/{quote(NAME)}", None


FIELDS = (
    "name",
    "channel",
    "country",
    "language",
    "complaint_types",
    "received_on",
    "reference",
    "category",
    "person",
    "person_id",
    "province",
    "id",
    "email",
    "phone",
    "website",
    "url",
    "priority",
)


def provoke_dead_letter(house: ListeningHouse) -> None:
    """Bring intake news of a referral that never was: it fails, is logged, and lies in the dead letters."""
    event = ReferralAccepted(referral_id=new_id(), case_id=new_id(), organization_id=SHELTER_ORG, bed_held=False)
    envelope = Envelope(new_id(), event, now(), str(new_id()), 1, "canary", None)
    headers = tuple((name, value.encode()) for name, value in headers_for(envelope).items())
    record = Record(topic_of(event.producer()), envelope.key, headers, event.model_dump_json().encode())
    house.inbox("intake", delays=()).accept(record, 0)
