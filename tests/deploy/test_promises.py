"""What an event version promised, it keeps: golden events are still understood, and a breaking change is refused."""

from pathlib import Path
from typing import Any

import pytest

from deploy import promises
from deploy.promises import BrokenPromiseError, breaches, breaches_of, promised, schema_of
from shared.bus import Record
from shared.contracts import KNOWN
from shared.events import decode, headers_for, topic_of

PROMISED = promised()
CLOSED = schema_of(KNOWN["intake.case_closed.v1"])


def changed(**properties: Any) -> dict[str, Any]:
    """Return the schema of a closed case with other properties; None takes one away."""
    merged = {**CLOSED["properties"], **properties}
    return {**CLOSED, "properties": {name: each for name, each in merged.items() if each is not None}}


def test_every_event_version_has_its_promise_and_none_was_taken_back() -> None:
    assert set(PROMISED) == set(KNOWN), "run make docs"


@pytest.mark.parametrize("kind", PROMISED)
def test_a_version_is_what_it_promised(kind: str) -> None:
    assert breaches_of(kind, PROMISED[kind]) == [], "publish a new version instead"
    assert PROMISED[kind]["schema"] == schema_of(KNOWN[kind]), "run make docs"


@pytest.mark.parametrize("kind", PROMISED)
def test_an_event_as_it_was_first_written_is_understood_to_the_last_field(kind: str) -> None:
    example = PROMISED[kind]["example"]
    headers = tuple((name, text.encode()) for name, text in example["headers"].items())
    event = KNOWN[kind].model_validate(example["payload"])
    key = example["headers"]["ce_partitionkey"]

    envelope = decode(Record(topic_of(event.producer()), key, headers, event.model_dump_json().encode()), KNOWN)

    assert headers_for(envelope) == example["headers"]
    assert envelope.event.model_dump(mode="json", include=set(example["payload"])) == example["payload"]


def test_a_new_optional_field_breaks_nothing() -> None:
    assert list(breaches(CLOSED, changed(note={"anyOf": [{"type": "string"}, {"type": "null"}]}))) == []


@pytest.mark.parametrize(
    "present",
    [
        changed(outcome=None),
        changed(outcome={"type": "integer"}),
        changed(outcome={"type": "string", "enum": ["returned"]}),
        changed(outcome={"type": "string", "maxLength": 8}),
        changed(outcome={"anyOf": [{"type": "string"}, {"type": "null"}]}),
        {**changed(note={"type": "string"}), "required": [*CLOSED["required"], "note"]},
        {**CLOSED, "required": ["case_id"]},
    ],
    ids=["removed", "retyped", "listed", "narrowed", "made nullable", "new and required", "no longer sure"],
)
def test_a_change_that_a_reader_or_an_old_event_could_trip_over_is_a_breach(present: dict[str, Any]) -> None:
    assert list(breaches(CLOSED, present))


def test_a_promise_is_never_written_over_by_what_breaks_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promises, "FOLDER", tmp_path)
    promises.write()
    path = tmp_path / "intake.case_closed.v1.json"
    path.write_text(path.read_text().replace('"outcome": {', '"result": {'))
    before = {each.name: each.read_text() for each in tmp_path.iterdir()}

    with pytest.raises(BrokenPromiseError, match=r"intake\.case_closed\.v1/result: is gone"):
        promises.write()

    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == before
