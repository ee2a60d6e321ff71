"""What each event version promised when it was first published, written down once; a change that breaks it is refused.

Who wrote to these contracts years ago must still be understood, and who reads them must never miss what it was promised:
so within a version a field may only be added, and only as optional. `make docs` writes the promises of new versions.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from shared import contracts
from shared.contracts import KNOWN
from shared.contracts.audit import MAC_FORM
from shared.events import Envelope, Event, headers_for

FOLDER = Path(contracts.__file__).parent / "promised"
SOME_ID = UUID("01920000-0000-7000-8000-0000000000aa")
SOME_TIME = datetime(2026, 1, 31, 3, 0, tzinfo=UTC)
FORMS = {
    "uuid": str(SOME_ID),
    "date-time": SOME_TIME.isoformat(),
    "date": SOME_TIME.date().isoformat(),
    MAC_FORM: "0f" * 32,
}
"""A text of each form that a field may have."""
SOME_TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
UNTOLD = ("title", "description", "default")
"""Parts of a schema that promise nothing."""


class BrokenPromiseError(Exception):
    """A version would no longer be what it promised; the text names each breach."""


def schema_of(event: type[Event]) -> dict[str, Any]:
    """Return the JSON schema of a payload with nothing referred to elsewhere, and nothing that promises nothing."""
    schema = event.model_json_schema()
    definitions = schema.pop("$defs", {})
    plain: dict[str, Any] = _plain(schema, definitions)
    return plain


def breaches(promised: dict[str, Any], present: dict[str, Any], at: str = "") -> Iterator[str]:
    """Name what of `promised` the `present` schema no longer keeps; a new optional field is none."""
    if promised.get("type") != "object" or "properties" not in promised:
        if promised != present:
            yield f"{at or '/'}: was {json.dumps(promised)}, is {json.dumps(present)}"
        return
    properties = present.get("properties", {})
    for name, schema in promised["properties"].items():
        if name in properties:
            yield from breaches(schema, properties[name], f"{at}/{name}")
        else:
            yield f"{at}/{name}: is gone"
    for name in sorted(set(promised.get("required", ())) ^ set(present.get("required", ()))):
        yield f"{at}/{name}: whether it must be there has changed"


def promised() -> dict[str, dict[str, Any]]:
    """Return every promise by its event type: `schema`, and `example` with `headers` and `payload`."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}


def write() -> None:
    """Write the promises of new versions and of compatible additions; raise `BrokenPromiseError` for anything else."""
    known = promised()
    gone = [f"{kind}: is gone" for kind in known.keys() - KNOWN.keys()]
    broken = [f"{kind}{each}" for kind in known.keys() & KNOWN.keys() for each in breaches_of(kind, known[kind])]
    if gone or broken:
        raise BrokenPromiseError("\n".join(["publish a new version instead:", *gone, *broken]))
    FOLDER.mkdir(exist_ok=True)
    for kind, event in KNOWN.items():
        example = known[kind]["example"] if kind in known else _example_of(event)
        promise = {"schema": schema_of(event), "example": example}
        (FOLDER / f"{kind}.json").write_text(json.dumps(promise, indent=1) + "\n", encoding="utf-8")


def breaches_of(kind: str, promise: dict[str, Any]) -> list[str]:
    """Name what today's contract of an event type breaks."""
    return list(breaches(promise["schema"], schema_of(KNOWN[kind])))


def _plain(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_plain(each, definitions) for each in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _plain(definitions[node["$ref"].rpartition("/")[2]], definitions)
    properties = {name: _plain(each, definitions) for name, each in node.get("properties", {}).items()}
    rest = {name: _plain(each, definitions) for name, each in node.items() if name not in (*UNTOLD, "properties")}
    return {**rest, "properties": properties} if properties else rest


def _example_of(event: type[Event]) -> dict[str, Any]:
    payload = _sample(schema_of(event), "")
    fact = event.model_validate(payload)
    envelope = Envelope(SOME_ID, fact, SOME_TIME, str(SOME_ID), 2, str(SOME_ID), str(SOME_ID), SOME_TRACE)
    return {"headers": headers_for(envelope), "payload": fact.model_dump(mode="json")}


def _sample(schema: dict[str, Any], name: str) -> Any:
    """Return a value that a schema allows; a code is given its field's name."""
    if "anyOf" in schema:
        return _sample(schema["anyOf"][0], name)
    if schema["type"] == "object":
        return {field: _sample(each, field) for field, each in schema["properties"].items()}
    if schema["type"] == "array":
        return [_sample(schema["items"], name)]
    form = schema.get("format", schema.get("pattern", ""))
    plain = {"string": FORMS.get(form, name), "integer": 1, "boolean": True}
    return schema.get("enum", [plain.get(schema["type"])])[0]
