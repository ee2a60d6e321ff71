"""Operators' routes: what could not be handled is listed, inspected, replayed and discarded, by administrators alone."""

import hashlib
from typing import Any

import pytest
from sqlalchemy import select

from shared.bus import Record
from shared.clock import now
from shared.contracts.intake import CaseClosed, ContractLinkRequested, ReferralRequested
from shared.contracts.referral import ReferralAccepted
from shared.events import Envelope, Event, headers_for, topic_of
from shared.ids import new_id
from shared.tables import audit, dead_letter
from tests.harness import House
from tests.shared.faults.poison import POISON, REASONS

ROOT = "/intake/v1/dead-letters"


def record_of(event: Event, key: str | None = None) -> Record:
    """Return the record of an event, as its producer's relay would write it."""
    envelope = Envelope(new_id(), event, now(), key or str(new_id()), 1, str(new_id()), None)
    headers = tuple((name, value.encode()) for name, value in headers_for(envelope).items())
    return Record(topic_of(event.producer()), envelope.key, headers, event.model_dump_json().encode())


def accepted(key: str | None = None) -> Record:
    """Return news of a referral that intake does not know: its handler fails."""
    event = ReferralAccepted(referral_id=new_id(), case_id=new_id(), organization_id=new_id(), bed_held=True)
    return record_of(event, key)


class Desk:
    """An administrator's desk at intake."""

    def __init__(self, house: House, token: Any) -> None:
        self.house = house
        self.client = house.client("intake")
        self.who = token("administrator")

    def bring(self, *records: Record) -> None:
        for record in records:
            self.house.inbox("intake", delays=()).accept(record, 0)

    def get(self, path: str = "", **filters: Any) -> Any:
        answer = self.client.get(f"{ROOT}{path}", params=filters, headers=self.who)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, letter_id: str, act: str, body: Any = None, **headers: str) -> Any:
        return self.client.post(f"{ROOT}/{letter_id}/{act}", json=body, headers={**self.who, **headers})


@pytest.fixture
def desk(house: House, token: Any) -> Desk:
    return Desk(house, token)


def test_poison_of_every_kind_is_listed_inspected_and_discarded(desk: Desk) -> None:
    bad = {name: POISON[name](accepted()) for name in POISON}
    desk.bring(*bad.values())

    listed = desk.get(state="dead", limit=100)["items"]
    inspected = [desk.get(f"/{letter['id']}") for letter in reversed(listed)]
    discarded = [desk.post(letter["id"], "discard", {"reason": "unreadable"}).json()["state"] for letter in inspected]

    assert [letter["reason"] for letter in inspected] == [REASONS[name] for name in POISON]
    assert [letter["unreadable"] for letter in inspected] == [REASONS[name] for name in POISON]
    assert [letter["sha256"] for letter in inspected] == [
        record.value and hashlib.sha256(record.value).hexdigest() for record in bad.values()
    ]
    assert [letter["size"] for letter in inspected] == [
        record.value if record.value is None else len(record.value) for record in bad.values()
    ]
    assert all(letter["payload"] is None for letter in inspected)
    assert set(discarded) == {"discarded"}
    assert desk.get(state="dead,parked,due")["items"] == []


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (b'{"referral_id":\n tru', {"pointer": "", "code": "json_invalid", "line": 2, "column": 4}),
        (b'{"referral_id": "one"}', {"pointer": "/referral_id", "code": "uuid_parsing", "line": None, "column": None}),
        (b"\xff\xfe", {"pointer": "", "code": "json_invalid", "line": 1, "column": 1}),
    ],
)
def test_of_a_payload_that_is_not_valid_it_is_told_where_it_stops_being_so(
    desk: Desk, value: bytes, fault: dict[str, Any]
) -> None:
    sound = accepted()
    desk.bring(Record(sound.topic, sound.key, sound.headers, value))

    [letter] = desk.get()["items"]

    assert desk.get(f"/{letter['id']}")["faults"][0] == fault


def test_a_readable_letter_shows_the_ids_and_codes_of_its_event(desk: Desk) -> None:
    record = accepted()
    desk.bring(record)

    [listed] = desk.get()["items"]
    letter = desk.get(f"/{listed['id']}")

    headers = {name: value.decode() for name, value in record.headers if value is not None}
    sent = ReferralAccepted.model_validate_json(record.value or b"")
    assert letter["payload"] == sent.model_dump(mode="json")
    assert (letter["key"], letter["event_id"], letter["type"]) == (record.key, headers["ce_id"], sent.type)
    assert letter["headers"] == headers
    assert (letter["other_headers"], letter["unreadable"], letter["faults"]) == (0, None, [])


def test_texts_and_old_days_are_withheld_even_in_an_event_that_can_be_read(house: House, token: Any) -> None:
    event = ReferralRequested(
        referral_id=new_id(),
        case_id=new_id(),
        organization_id=new_id(),
        service_type="shelter",
        priority="hang",
        province="01",
        population="any",
        needs_bed=True,
        requested_at=now().replace(year=1987),
    )
    client, who = house.client("referral"), token("administrator")
    key = str(new_id())
    house.inbox("referral").accept(POISON["null value"](record_of(event, key)), 0)
    house.inbox("referral").accept(record_of(event, key), 0)

    newest = client.get("/referral/v1/dead-letters", headers=who).json()["items"][0]
    payload = client.get(f"/referral/v1/dead-letters/{newest['id']}", headers=who).json()["payload"]

    assert {name: value for name, value in payload.items() if value == "withheld"}.keys() == {
        "priority",
        "requested_at",
    }
    assert (payload["service_type"], payload["province"], payload["needs_bed"]) == ("shelter", "01", True)


def test_a_pseudonym_is_never_shown(house: House, token: Any) -> None:
    event = ContractLinkRequested(case_id=new_id(), pseudonym="k1.secret")
    client, who, key = house.client("registry"), token("administrator"), str(new_id())
    house.inbox("registry").accept(POISON["null value"](record_of(event, key)), 0)
    house.inbox("registry").accept(record_of(event, key), 0)

    newest = client.get("/registry/v1/dead-letters", headers=who).json()["items"][0]
    letter = client.get(f"/registry/v1/dead-letters/{newest['id']}", headers=who)

    assert letter.json()["payload"] == {"case_id": "withheld", "pseudonym": "withheld"}
    assert "k1." not in letter.text


def test_filters_find_letters_by_state_topic_key_and_reason(desk: Desk) -> None:
    first, second = accepted(), POISON["no time"](accepted())
    desk.bring(first, accepted(first.key), second)

    found = {
        "state": desk.get(state="parked")["items"],
        "topic": desk.get(topic="intake.events")["items"],
        "key": desk.get(key=first.key)["items"],
        "reason": desk.get(reason="missing:ce_time")["items"],
    }

    assert {name: len(items) for name, items in found.items()} == {"state": 1, "topic": 0, "key": 2, "reason": 1}
    assert found["reason"][0]["key"] == second.key


def test_parked_keys_tell_who_is_first_and_how_many_wait(desk: Desk) -> None:
    lines = [str(new_id()) for _ in range(2)]
    for key, waiting in zip(lines, (0, 3), strict=True):
        desk.bring(*(accepted(key) for _ in range(waiting + 1)))

    keys = desk.client.get("/intake/v1/parked-keys", headers=desk.who).json()["items"]

    assert [(key["key"], key["dead"], key["parked"], key["due"]) for key in keys] == [
        (lines[1], 1, 3, 0),
        (lines[0], 1, 0, 0),
    ]
    assert [key["first"]["reason"].split(":")[0] for key in keys] == ["handler", "handler"]


def test_a_replay_is_asked_for_once_however_often_it_is_sent_and_carried_out_by_the_inbox(desk: Desk) -> None:
    desk.bring(accepted())
    [letter] = desk.get()["items"]
    key = {"Idempotency-Key": "replay-1"}

    answers = [desk.post(letter["id"], "replay", **key), desk.post(letter["id"], "replay", **key)]
    again = desk.post(letter["id"], "replay")
    with desk.house.runtime("intake").engine.connect() as connection:
        seq = connection.execute(select(dead_letter.c.id)).scalar_one()
    handled = desk.house.inbox("intake").replay(seq)

    assert [answer.json()["state"] for answer in (*answers, again)] == ["due"] * 3
    assert answers[1].headers["Idempotent-Replayed"] == "true"
    assert {answer.headers["ETag"] for answer in (*answers, again)} == {'"2"'}
    assert handled
    assert desk.get(f"/{letter['id']}")["state"] == "dead"


def test_an_act_honours_if_match_and_needs_an_idempotency_key(desk: Desk) -> None:
    desk.bring(accepted())
    [letter] = desk.get()["items"]

    stale = desk.post(letter["id"], "replay", **{"If-Match": '"7"'})
    keyless = desk.client.request("POST", f"{ROOT}/{letter['id']}/replay", headers=desk.who)

    assert (stale.status_code, keyless.status_code) == (412, 400)
    assert desk.get(f"/{letter['id']}")["state"] == "dead"


def test_a_letter_with_others_behind_it_is_discarded_only_if_they_are_let_go(desk: Desk) -> None:
    first = accepted()
    desk.bring(first, accepted(first.key))
    letter = desk.get(state="dead")["items"][0]

    refused = desk.post(letter["id"], "discard", {"reason": "obsolete"})
    done = desk.post(letter["id"], "discard", {"reason": "obsolete", "ticket": "OPS-7", "release": True})

    assert (refused.status_code, refused.json()["reason"], refused.json()["waiting"]) == (409, "others_wait", 1)
    assert (done.json()["discarded_as"], done.json()["ticket"]) == ("obsolete", "OPS-7")
    assert desk.get(state="due")["items"][0]["key"] == first.key


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"reason": "because Hang said so"}, "/reason"),
        ({"reason": "obsolete", "ticket": "Nguyễn Thị Hằng"}, "/ticket"),
        ({"reason": "obsolete", "ticket": "OPS-0912345678"}, "/ticket"),
        ({"reason": "obsolete", "note": "x"}, "/note"),
        ({}, "/reason"),
    ],
)
def test_a_reason_is_a_code_and_a_ticket_has_its_form(desk: Desk, body: Any, pointer: str) -> None:
    desk.bring(accepted())
    [letter] = desk.get()["items"]

    refused = desk.post(letter["id"], "discard", body)

    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, pointer)


def test_reading_and_acting_leave_their_trace(desk: Desk) -> None:
    desk.bring(accepted())
    [letter] = desk.get()["items"]
    desk.get(f"/{letter['id']}")
    desk.post(letter["id"], "discard", {"reason": "handled_by_hand", "ticket": "OPS-12"})

    of_letters = select(audit).where(audit.c.kind == "dead_letter").order_by(audit.c.id)
    with desk.house.runtime("intake").engine.connect() as connection:
        rows = connection.execute(of_letters).all()

    assert {row.actor for row in rows} == {"demo:administrator"}
    assert [(row.operation, row.outcome, row.row_id, row.reason) for row in rows] == [
        ("list_dead_letters", "read", None, None),
        ("read_dead_letter", "read", letter["id"], None),
        ("discard_dead_letter", "changed", letter["id"], "handled_by_hand OPS-12"),
    ]


def test_an_event_that_its_type_does_not_fit_is_shown_by_its_headers_alone(desk: Desk) -> None:
    record = record_of(CaseClosed(case_id=new_id(), outcome="resolved"))
    desk.bring(Record("referral.events", record.key, record.headers, record.value))

    [letter] = desk.get()["items"]

    assert (letter["reason"], letter["type"]) == ("source", "intake.case_closed.v1")
