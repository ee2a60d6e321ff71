"""Canaries in dead letters: whatever a stranger wrote, no route, no line of log and no audit row gives it out."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from shared.bus import Record
from shared.clock import now
from shared.contracts.intake import ContractLinkRequested, ReferralRequested
from shared.events import Envelope, headers_for
from shared.ids import new_id
from shared.letters.view import FORMS
from shared.tables import audit, dead_letter
from tests.access import canaries
from tests.access.canaries import BORN_ON, NAME, NARRATIVE, NEEDLES, NUMBER, PHONE, spellings
from tests.access.listening import logs
from tests.harness import House

TOPIC = "intake.events"
EVERYTHING = [*NEEDLES.values(), *sorted(spellings(NEEDLES["name"]))]


def sound(key: str) -> tuple[dict[str, bytes], bytes]:
    """Return headers and payload of an event that can be read, with a canary wherever its contract takes a text."""
    event = ReferralRequested(
        referral_id=new_id(),
        case_id=new_id(),
        organization_id=new_id(),
        service_type="zangquo",
        priority=NUMBER,
        province=NAME,
        population=PHONE,
        needs_bed=True,
        requested_at=now().replace(year=1987, month=11, day=23),
    )
    envelope = Envelope(new_id(), event, now(), key, 1, str(new_id()), None)
    return {name: value.encode() for name, value in headers_for(envelope).items()}, event.model_dump_json().encode()


def planted() -> Iterator[Record]:
    """Every place of a record, with every canary in it."""
    for text in EVERYTHING:
        raw, key = text.encode(), str(new_id())
        headers, payload = sound(key)
        told = tuple(headers.items())
        yield Record(TOPIC, text, told, payload)
        yield Record(TOPIC, key, told, raw)
        yield Record(TOPIC, key, (*told, (text, raw)), b'{"%s": "%s"}' % (raw, raw))
    key = str(new_id())
    for name in FORMS:
        for value in (NAME, NUMBER, PHONE.replace(" ", ""), f"{BORN_ON}T00:00:00+00:00"):
            headers, payload = sound(key)
            yield Record(TOPIC, key, tuple({**headers, name: value.encode()}.items()), payload)
    headers, payload = sound(key)
    yield Record(TOPIC, key, tuple(headers.items()), payload)


def asked(house: House, who: dict[str, str]) -> Iterator[Any]:
    """Ask every route for everything it tells, and make mistakes with canaries in them."""
    client, root = house.client("referral"), "/referral/v1/dead-letters"
    following: str | None = f"{root}?limit=100"
    ids: list[str] = []
    while following is not None:
        page = client.get(following, headers=who)
        yield page
        ids += [item["id"] for item in page.json()["items"]]
        following = page.json()["next"]
    yield client.get("/referral/v1/parked-keys?limit=100", headers=who)
    for letter_id in ids:
        yield client.get(f"{root}/{letter_id}", headers=who)
    for letter_id in ids[:40]:
        yield client.post(f"{root}/{letter_id}/replay", headers=who)
        yield client.post(f"{root}/{letter_id}/discard", json={"reason": "foreign", "release": True}, headers=who)
    for name in ("state", "topic", "key", "reason", "cursor"):
        yield client.get(f"{root}?{name}={quote(NAME)}", headers=who)
    yield client.get(f"{root}/{quote(NAME)}", headers=who)
    yield client.post(f"{root}/{ids[0]}/discard", json={"reason": NARRATIVE, "ticket": NAME, NAME: 1}, headers=who)


def test_no_canary_in_a_letter_is_seen_by_anyone(house: House, token: Any, capfd: pytest.CaptureFixture[str]) -> None:
    records = list(planted())
    with logs() as written:
        for record in records:
            house.inbox("referral", delays=()).accept(record, 0)
        answers = list(asked(house, token("administrator")))
        replay_all(house)

    sources = {
        "answers": [answer.content + str(dict(answer.headers)).encode() for answer in answers],
        "logs": [written.getvalue().encode(), *(part.encode() for part in capfd.readouterr())],
        "audit": [str(dict(row)).encode() for row in house.rows("referral", audit)],
    }
    kept = [str(dict(row)).encode() + (row["payload"] or b"") for row in house.rows("referral", dead_letter)]
    assert list(canaries.sightings({"letters": kept}))
    assert len(kept) >= len(records) - len(FORMS)
    assert all(b"".join(parts) for parts in sources.values())
    seen = list(canaries.sightings(sources))
    assert not seen, "\n".join(seen)


def replay_all(house: House) -> None:
    """Let the worker do what is due, so that its logs and traces are heard as well."""
    inbox = house.inbox("referral", delays=())
    for row in house.rows("referral", dead_letter):
        inbox.replay(row["id"])


def test_a_pseudonym_that_waits_is_not_seen_either(house: House, token: Any) -> None:
    key, event = str(new_id()), ContractLinkRequested(case_id=new_id(), pseudonym=f"k1.{NUMBER}")
    envelope = Envelope(new_id(), event, now(), key, 1, str(new_id()), None)
    headers = tuple((name, value.encode()) for name, value in headers_for(envelope).items())
    for value in (None, event.model_dump_json().encode()):
        house.inbox("registry", delays=()).accept(Record(TOPIC, key, headers, value), 0)
    client, who = house.client("registry"), token("administrator")

    ids = [item["id"] for item in client.get("/registry/v1/dead-letters", headers=who).json()["items"]]
    told = [client.get(f"/registry/v1/dead-letters/{each}", headers=who).content for each in ids]

    assert len(ids) == 2
    assert not list(canaries.sightings({"answers": told}))
