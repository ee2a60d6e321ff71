"""The codec: CloudEvents in Kafka's binary mode, checked both ways against the cloudevents package, strict towards all else."""

import contextlib
from datetime import UTC, datetime, timedelta, timezone
from typing import ClassVar
from uuid import UUID

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event, to_binary_event
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.bus import Headers, Record
from shared.clock import now
from shared.events import Classification, Envelope, Event, PoisonError, decode, headers_for, topic_of
from shared.ids import new_id
from tests.shared.faults.poison import POISON, REASONS
from tests.shared.faults.world import Counted


class Hired(Event):
    """Someone has a contract; who it is, only a keyed pseudonym says."""

    type: ClassVar[str] = "registry.hired.v1"
    classification: ClassVar[Classification] = Classification.PSEUDONYMOUS

    contract_id: UUID
    market: str
    hired_at: datetime
    agency_id: UUID | None = None


KNOWN: dict[str, type[Event]] = {Hired.type: Hired, Counted.type: Counted}
HIRED = Hired(contract_id=new_id(), market="Đài Loan", hired_at=now())


def envelope(event: Event = HIRED, *, causation: str | None = None) -> Envelope:
    return Envelope(new_id(), event, now(), str(new_id()), 7, "correlation-1", causation)


def record_of(told: Envelope) -> Record:
    headers = tuple((name, value.encode()) for name, value in headers_for(told).items())
    return Record(topic_of(told.event.producer()), told.key, headers, told.event.model_dump_json().encode())


def sound() -> Record:
    return record_of(envelope(Counted(counter_id=new_id(), number=2)))


@pytest.mark.parametrize("causation", [None, "01a20539-c0da-7079-905c-43cc78e038dd"])
def test_what_is_encoded_is_decoded(causation: str | None) -> None:
    told = envelope(causation=causation)

    assert decode(record_of(told), KNOWN) == told


def test_the_cloudevents_package_reads_what_we_write() -> None:
    told = envelope(causation="cause-1")
    record = record_of(told)

    read = from_binary_event(KafkaMessage(dict_of(record.headers), record.key, record.value or b""))

    assert read.get_id() == str(told.event_id)
    assert read.get_source() == "/registry"
    assert read.get_type() == "registry.hired.v1"
    assert read.get_time() == told.time
    assert read.get_subject() == told.key
    assert read.get_datacontenttype() == "application/json"
    assert read.get_data() == HIRED.model_dump(mode="json")
    assert read.get_extension("partitionkey") == told.key
    assert read.get_extension("sequence") == "0000000007"
    assert read.get_extension("correlationid") == "correlation-1"
    assert read.get_extension("causationid") == "cause-1"
    assert read.get_extension("dataclassification") == "pseudonymous"


def test_we_read_what_the_cloudevents_package_writes() -> None:
    key, event_id = str(new_id()), new_id()
    attributes = {
        "id": str(event_id),
        "source": "/registry",
        "type": "registry.hired.v1",
        "specversion": "1.0",
        "time": datetime(2026, 11, 22, 3, 4, 5, tzinfo=timezone(timedelta(hours=7))),
        "subject": key,
        "datacontenttype": "application/json",
        "partitionkey": key,
        "sequence": "0000000012",
        "correlationid": "correlation-2",
    }
    written = to_binary_event(CloudEvent(attributes, HIRED.model_dump(mode="json")))
    record = Record("registry.events", str(written.key), tuple(written.headers.items()), written.value)

    read = decode(record, KNOWN)

    moment = datetime(2026, 11, 21, 20, 4, 5, tzinfo=UTC)
    assert read == Envelope(event_id, HIRED, moment, key, 12, "correlation-2", None)


def test_an_unknown_field_of_a_newer_producer_is_passed_over() -> None:
    record = record_of(envelope())
    newer = (record.value or b"").replace(b"{", b'{"added_later": 1, ', 1)

    read = decode(Record(record.topic, record.key, record.headers, newer), KNOWN)

    assert read.event == HIRED


def test_an_event_without_correlation_begins_its_own() -> None:
    record = record_of(envelope())
    headers = tuple(pair for pair in record.headers if pair[0] != "ce_correlationid")

    read = decode(Record(record.topic, record.key, headers, record.value), KNOWN)

    assert read.correlation_id == str(read.event_id)


def test_events_are_frozen() -> None:
    with pytest.raises(ValidationError):
        HIRED.market = "Nhật Bản"  # type: ignore[misc]


@pytest.mark.parametrize("name", POISON)
def test_poison_is_refused_with_its_reason(name: str) -> None:
    record = POISON[name](sound())

    with pytest.raises(PoisonError, match=f"^{REASONS[name]}$") as refused:
        decode(record, KNOWN)

    assert refused.value.reason == REASONS[name]


NAMES = st.sampled_from([name for name, _ in sound().headers]) | st.text(max_size=12)
VALUES = st.none() | st.binary(max_size=40) | st.text(max_size=40).map(str.encode)
HEADERS = st.lists(st.tuples(NAMES, VALUES), max_size=14).map(tuple)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=20), st.none() | st.text(max_size=40), HEADERS, st.none() | st.binary(max_size=60))
def test_anything_at_all_is_refused_as_poison(topic: str, key: str | None, headers: Headers, value: bytes) -> None:
    with pytest.raises(PoisonError):
        decode(Record(topic, key, headers, value), KNOWN)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_sound_record_with_one_header_changed_is_decoded_or_refused_as_poison(data: st.DataObject) -> None:
    record = sound()
    name = data.draw(st.sampled_from([name for name, _ in record.headers]))
    value = data.draw(VALUES | st.text(alphabet="0123456789-+:.TZ_ {}urn", max_size=40).map(str.encode))
    headers = tuple((name, value) if pair[0] == name else pair for pair in record.headers)

    assert_decoded_or_poison(Record(record.topic, record.key, headers, record.value))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80) | JSON.map(lambda value: repr(value).replace("'", '"').encode()))
def test_a_sound_record_with_any_value_is_decoded_or_refused_as_poison(value: bytes) -> None:
    record = sound()

    assert_decoded_or_poison(Record(record.topic, record.key, record.headers, value))


def test_a_value_nested_without_end_is_refused_as_poison() -> None:
    record = sound()

    assert_decoded_or_poison(Record(record.topic, record.key, record.headers, b'{"a":' * 100_000))


def assert_decoded_or_poison(record: Record) -> None:
    """Decode; any other error than `PoisonError` fails the test by itself."""
    with contextlib.suppress(PoisonError):
        assert decode(record, KNOWN).key == record.key


def dict_of(headers: Headers) -> dict[str, bytes]:
    return {name: value for name, value in headers if value is not None}


LOCAL = st.datetimes(datetime(1990, 1, 1), datetime(2990, 1, 1), timezones=st.timezones())  # noqa: DTZ001 - st adds the zone
TIMES = LOCAL.map(lambda time: time.replace(tzinfo=timezone(time.utcoffset() or timedelta())))
"""With their offsets: in the hours when clocks change, a time with a zone is unequal to every other (PEP 495)."""
WORDS = st.text(st.characters(codec="ascii", categories=("L", "N", "P")), min_size=1, max_size=30)
CONVERSATIONS = st.from_regex(r"[A-Za-z0-9-]{1,64}", fullmatch=True)
ENVELOPES = st.builds(
    Envelope,
    event_id=st.uuids(),
    event=st.builds(Hired, contract_id=st.uuids(), market=st.text(max_size=30), hired_at=TIMES),
    time=TIMES,
    key=WORDS,
    sequence=st.integers(0, 2**63 - 1),
    correlation_id=CONVERSATIONS,
    causation_id=st.none() | CONVERSATIONS,
)


@settings(max_examples=100, deadline=None)
@given(ENVELOPES)
def test_whatever_is_encoded_is_decoded_by_us_and_read_alike_by_the_cloudevents_package(told: Envelope) -> None:
    record = record_of(told)

    theirs = from_binary_event(KafkaMessage(dict_of(record.headers), record.key, record.value or b""))

    assert decode(record, KNOWN) == told
    assert (theirs.get_id(), theirs.get_time()) == (str(told.event_id), told.time)
    assert theirs.get_data() == told.event.model_dump(mode="json")
