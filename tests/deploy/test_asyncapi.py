"""The AsyncAPI document: valid by the standard's own schema, and as true as the codec and the handlers."""

import hashlib
import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from ruamel.yaml import YAML

from deploy.asyncapi import HEADERS
from shared.contracts import KNOWN
from shared.events import REQUIRED
from tests.requirements import missing, require
from tests.system.commands import ROOT

PACKAGE = "@asyncapi/specs@6.11.1"
"""The AsyncAPI Initiative's schemas, as it publishes them."""
SHA256 = "01af8744dc33c0c7eb2e908f6a955319ee58b70ecadc9387d1aeb16c0cd28928"
SCHEMA = "package/schemas/3.0.0-without-$id.json"
FOLDER = ROOT / "var" / "asyncapi"


@pytest.fixture(scope="module")
def standard() -> Any:
    """The JSON schema of AsyncAPI 3.0, fetched once."""
    archive = FOLDER / "asyncapi-specs-6.11.1.tgz"
    if not archive.exists():
        fetch(FOLDER)
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == SHA256
    with tarfile.open(archive) as package:
        found = package.extractfile(SCHEMA)
        assert found is not None
        return json.load(found)


def fetch(folder: Path) -> None:
    npm = require("npm", "apt install npm")
    folder.mkdir(parents=True, exist_ok=True)
    command = [npm, "pack", PACKAGE, "--pack-destination", str(folder), "--silent"]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if ran.returncode:
        missing(f"npm cannot bring {PACKAGE}: {ran.stderr.strip().splitlines()[-1:]}")


@pytest.fixture(scope="module")
def document() -> Any:
    return YAML(typ="safe").load(ROOT / "docs" / "asyncapi.yaml")


def resolved(document: Any, reference: str) -> Any:
    found = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def references(node: Any) -> list[str]:
    """Return everything that a node refers to."""
    if isinstance(node, list):
        return [found for each in node for found in references(each)]
    if not isinstance(node, dict):
        return []
    own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
    return own + [found for each in node.values() for found in references(each)]


def test_the_document_is_valid_by_the_standards_schema(standard: Any, document: Any) -> None:
    problems = [error.message for error in Draft7Validator(standard).iter_errors(document)]

    assert problems == []


def test_the_schema_refuses_a_document_that_is_wrong(standard: Any, document: Any) -> None:
    wrong = {
        **document,
        "operations": {"intake.publish": {"action": "shout", "channel": {"$ref": "#/channels/intake"}}},
    }

    assert list(Draft7Validator(standard).iter_errors(wrong))


def test_whatever_the_document_refers_to_is_there(document: Any) -> None:
    assert all(resolved(document, reference) for reference in references(document))


def test_every_event_is_a_message_whose_example_fits_its_own_schemas(document: Any) -> None:
    messages = document["components"]["messages"]

    for message in messages.values():
        for part in ("headers", "payload"):
            schema = {**message[part], "components": document["components"]}
            Draft7Validator(schema).validate(message["examples"][0][part])
    assert set(messages) == set(KNOWN)


def test_the_described_headers_are_those_that_the_codec_writes_and_asks_for(document: Any) -> None:
    written = {
        name for message in document["components"]["messages"].values() for name in message["examples"][0]["headers"]
    }

    assert written == set(HEADERS)
    assert set(REQUIRED) <= set(document["components"]["schemas"]["CloudEventHeaders"]["required"])
