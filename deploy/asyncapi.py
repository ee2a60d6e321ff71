"""The events as an AsyncAPI 3.0 document, made from the contracts, the codec's headers and who handles what."""

import inspect
from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any

from ruamel.yaml import YAML

from deploy import topology
from deploy.promises import promised
from shared.bus.kafka_topics import PARTITIONS, RETENTION_MS
from shared.contracts import PRODUCERS
from shared.events import REQUIRED, Event, topic_of

Handled = Mapping[type[Event], Sequence[tuple[str, str]]]
"""Per event who handles it: services and the names of their handlers."""
BINDING = "0.5.0"
"""Version of AsyncAPI's Kafka bindings."""
HEADERS = {
    "ce_specversion": "Version of CloudEvents.",
    "ce_id": "The event's id; the same however often it comes.",
    "ce_source": "The service that publishes it.",
    "ce_type": "What happened, and in which version it is told.",
    "ce_time": "When it happened, UTC (RFC 3339).",
    "ce_subject": "Id of the aggregate it is about.",
    "ce_partitionkey": "The record's key: id of the aggregate, by which order is kept.",
    "ce_sequence": "Version of the aggregate after the event, padded with zeros.",
    "ce_correlationid": "The conversation it belongs to.",
    "ce_causationid": "The event that led to it.",
    "ce_traceparent": "W3C Trace Context of the act behind it, where that is traced.",
    "ce_dataclassification": "`internal` (ids and codes) or `pseudonymous` (a keyed pseudonym).",
    "content-type": "Of the payload.",
}
"""What each header says; a test holds this to the codec."""


def document(handled: Handled) -> dict[str, Any]:
    """Return the document as plain data, given who handles what."""
    schemas: dict[str, Any] = {"CloudEventHeaders": _headers()}
    examples = {kind: promise["example"] for kind, promise in promised().items()}
    messages = {
        event.type: _message(event, schemas, examples[event.type]) for events in PRODUCERS.values() for event in events
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Bảo Hộ: events",
            "version": "1",
            "description": "What the four services tell each other: ids, codes, at most a keyed pseudonym; never who someone is.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"kafka": {"host": f"kafka:{topology.KAFKA_COMPOSE_PORT}", "protocol": "kafka"}},
        "channels": {producer: _channel(producer) for producer in PRODUCERS},
        "operations": {**_sending(), **_receiving(handled)},
        "components": {"messages": messages, "schemas": schemas},
    }


def text(handled: Handled) -> str:
    """Return the document as YAML."""
    out, yaml = StringIO(), YAML()
    yaml.width = 120
    out.write("# Made from the code by `make docs`; a test fails when it is stale.\n")
    yaml.dump(document(handled), out)
    return out.getvalue()


def _channel(producer: str) -> dict[str, Any]:
    topic = topic_of(producer)
    binding = {
        "topic": topic,
        "partitions": PARTITIONS,
        "topicConfiguration": {"cleanup.policy": ["delete"], "retention.ms": RETENTION_MS},
        "bindingVersion": BINDING,
    }
    messages = {event.type: {"$ref": f"#/components/messages/{event.type}"} for event in PRODUCERS[producer]}
    return {"address": topic, "messages": messages, "bindings": {"kafka": binding}}


def _sending() -> dict[str, Any]:
    return {
        f"{producer}.publish": {
            "action": "send",
            "channel": {"$ref": f"#/channels/{producer}"},
            "summary": f"The relay of {producer} publishes what its outbox holds, in order per key.",
        }
        for producer in PRODUCERS
    }


def _receiving(handled: Handled) -> dict[str, Any]:
    """One operation per consuming service and topic, with the events that it handles; it passes over the others."""
    wanted: dict[tuple[str, str], list[str]] = {}
    for event, consumers in handled.items():
        for consumer, _ in consumers:
            wanted.setdefault((consumer, event.producer()), []).append(event.type)
    return {
        f"{consumer}.handle.{producer}": _receive(consumer, producer, types)
        for (consumer, producer), types in sorted(wanted.items())
    }


def _receive(consumer: str, producer: str, types: list[str]) -> dict[str, Any]:
    group = {"type": "string", "const": consumer}
    return {
        "action": "receive",
        "channel": {"$ref": f"#/channels/{producer}"},
        "messages": [{"$ref": f"#/channels/{producer}/messages/{kind}"} for kind in sorted(types)],
        "bindings": {"kafka": {"groupId": group, "bindingVersion": BINDING}},
    }


def _message(event: type[Event], schemas: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    payload = event.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(payload.pop("$defs", {}))
    told = " ".join((inspect.getdoc(event) or "").split())
    constant = {"ce_type": {"const": event.type}, "ce_source": {"const": f"/{event.producer()}"}}
    return {
        "name": event.type,
        "title": event.__name__,
        "summary": told,
        "contentType": "application/json",
        "headers": {"allOf": [{"$ref": "#/components/schemas/CloudEventHeaders"}, {"properties": constant}]},
        "payload": {**payload, "description": told},
        "bindings": {"kafka": {"key": {"type": "string", "format": "uuid"}, "bindingVersion": BINDING}},
        "examples": [example],
    }


def _headers() -> Mapping[str, Any]:
    texts = {name: {"type": "string", "description": told} for name, told in HEADERS.items()}
    required = ["ce_specversion", *REQUIRED, "content-type"]
    return {"type": "object", "properties": texts, "required": required}
