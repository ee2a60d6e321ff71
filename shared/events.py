"""Events: frozen contracts, CloudEvents 1.0 in Kafka's binary mode, and a strict codec that says why it refuses."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError
from sqlmodel import Session

from shared.bus import Record
from shared.tables import PAYLOAD_LIMIT

SPEC_VERSION = "1.0"
CONTENT_TYPE = "application/json"
SEQUENCE = re.compile("[0-9]{10,19}")
CONVERSATION = re.compile("[A-Za-z0-9-]{1,64}")
"""Both go on into audit rows and events of ours, where a NUL or a story would never be taken, or never be wanted."""
REQUIRED = ("ce_id", "ce_source", "ce_type", "ce_time", "ce_subject", "ce_partitionkey", "ce_sequence")


class Classification(StrEnum):
    """What an event may hold: ids and codes, or at most a keyed pseudonym."""

    INTERNAL = "internal"
    PSEUDONYMOUS = "pseudonymous"


class Event(BaseModel):
    """A fact in the past tense; within a version its fields are only ever added to, and the added ones are optional."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: ClassVar[str]
    """`service.fact.vN`."""
    classification: ClassVar[Classification] = Classification.INTERNAL

    @classmethod
    def producer(cls) -> str:
        """Return the service that alone may publish this type."""
        return cls.type.split(".", 1)[0]


Handlers = Mapping[type[Event], Callable[[Session, Any], None]]
"""What a service does on which event; plain functions, called once in effect."""


class PoisonError(Exception):
    """A record that no retry can help; `reason` is a code, for the dead letters."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Envelope:
    """A decoded event with what its headers say of it."""

    event_id: UUID
    event: Event
    time: datetime
    key: str
    sequence: int
    correlation_id: str
    causation_id: str | None
    traceparent: str | None = None
    """W3C Trace Context of the act behind it, where that is traced."""


def topic_of(service: str) -> str:
    """Return the one topic of a producing service."""
    return f"{service}.events"


def headers_for(envelope: Envelope) -> dict[str, str]:
    """Return the CloudEvents attributes as Kafka headers (Kafka protocol binding, section 3.2)."""
    event = envelope.event
    headers = {
        "ce_specversion": SPEC_VERSION,
        "ce_id": str(envelope.event_id),
        "ce_source": f"/{event.producer()}",
        "ce_type": event.type,
        "ce_time": envelope.time.isoformat(),
        "ce_subject": envelope.key,
        "ce_partitionkey": envelope.key,
        "ce_sequence": f"{envelope.sequence:010d}",
        "ce_correlationid": envelope.correlation_id,
        "ce_dataclassification": event.classification.value,
        "content-type": CONTENT_TYPE,
    }
    if envelope.causation_id is not None:
        headers["ce_causationid"] = envelope.causation_id
    if envelope.traceparent is not None:
        headers["ce_traceparent"] = envelope.traceparent
    return headers


def decode(record: Record, known: Mapping[str, type[Event]]) -> Envelope:
    """Decode and check one record; raise `PoisonError` with its reason."""
    headers = _headers(record)
    if headers.get("ce_specversion") != SPEC_VERSION:
        raise PoisonError("specversion")
    for name in REQUIRED:
        if name not in headers:
            raise PoisonError(f"missing:{name}")
    if topic_of(headers["ce_source"].removeprefix("/")) != record.topic:
        raise PoisonError("source")
    event_type = known.get(headers["ce_type"])
    if event_type is None:
        raise PoisonError("unknown_type")
    if headers.get("content-type") != CONTENT_TYPE:
        raise PoisonError("content_type")
    if record.value is None:
        raise PoisonError("no_payload")
    if len(record.value) > PAYLOAD_LIMIT:
        raise PoisonError("payload_size")
    return _envelope(record, headers, event_type, record.value)


def _envelope(record: Record, headers: dict[str, str], event_type: type[Event], value: bytes) -> Envelope:
    try:
        event_id, time, sequence = (
            UUID(headers["ce_id"]),
            datetime.fromisoformat(headers["ce_time"]),
            int(headers["ce_sequence"]),
        )
    except ValueError as error:
        raise PoisonError("header_form") from error
    form = SEQUENCE.fullmatch(headers["ce_sequence"])
    if form is None or time.tzinfo is None or record.key != headers["ce_partitionkey"]:
        raise PoisonError("header_form")
    told = {name: headers[name] for name in ("ce_correlationid", "ce_causationid") if name in headers}
    if not all(CONVERSATION.fullmatch(value) for value in told.values()):
        raise PoisonError("header_form")
    try:
        event = event_type.model_validate_json(value)
    except ValidationError as error:
        raise PoisonError("schema") from error
    return Envelope(
        event_id,
        event,
        time,
        headers["ce_partitionkey"],
        sequence,
        told.get("ce_correlationid", headers["ce_id"]),
        told.get("ce_causationid"),
        headers.get("ce_traceparent"),
    )


def _headers(record: Record) -> dict[str, str]:
    decoded: dict[str, str] = {}
    for name, value in record.headers:
        if value is None:
            raise PoisonError("null_header")
        if name in decoded:
            raise PoisonError("repeated_header")
        try:
            decoded[name] = value.decode()
        except UnicodeDecodeError as error:
            raise PoisonError("header_encoding") from error
    return decoded
