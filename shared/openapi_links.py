"""Links in openapi.json (OpenAPI 3.1, Link Object): where the ids of an answer lead, derived from paths and schemas alone."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from shared.auth import CONDITIONAL

Document = dict[str, Any]

PLACE = re.compile(r"/([^/{}]+)/\{(\w+_id)\}")
"""A collection, and how paths name an id of it: `/cases/{case_id}`."""
PARAMETER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Known:
    """What an answer tells: where each id is found in it, and the id whose row its ETag speaks of."""

    operation: str
    ids: dict[str, str]
    versioned: str | None

    def leads_to(self, path: str, method: str) -> dict[str, str]:
        """Return what the answer can give an operation; nothing where an id is missing, or where it has nothing new."""
        wanted = PARAMETER.findall(path)
        if not wanted or not self.ids.keys() >= set(wanted):
            return {}
        given = {f"path.{name}": self.ids[name] for name in wanted}
        if method.upper() in CONDITIONAL and wanted[-1] == self.versioned:
            given["header.If-Match"] = "$response.header.ETag"
        return given if any(place.startswith("$response") for place in given.values()) else {}


def link(document: Document) -> None:
    """Say at each answer which operations take an id of it; its ETag goes along to those that ask for `If-Match`."""
    paths: Document = document["paths"]
    collections = {collection: name for path in paths for collection, name in PLACE.findall(path)}
    for path, methods in paths.items():
        for method in methods.keys() & {"get", "post"}:
            for response in successes(methods[method]):
                known = _known(path, methods[method], fields_of(response, document), collections, document)
                links = {name: {"operationId": name, "parameters": given} for name, given in _links(known, paths)}
                if links:
                    response["links"] = links


def successes(operation: Document) -> Iterator[Document]:
    """Return the descriptions of an operation's 2xx answers."""
    return (response for status, response in operation["responses"].items() if status.startswith("2"))


def fields_of(response: Document, document: Document) -> Document:
    """Return the properties of an answer's JSON object; none where it is something else."""
    return _properties(response.get("content", {}).get("application/json", {}).get("schema", {}), document)


def _properties(schema: Document, document: Document) -> Document:
    name = schema.get("$ref", "").rpartition("/")[2]
    properties: Document = (document["components"]["schemas"][name] if name else schema).get("properties", {})
    return properties


def _known(path: str, operation: Document, fields: Document, collections: dict[str, str], document: Document) -> Known:
    place, versioned = "$response.body#/", "version" in fields
    if "items" in fields:
        fields, place = _properties(fields["items"].get("items", {}), document), f"{place}items/0/"
    own = [collections[part] for part in path.split("/") if part in collections]
    ids = {own[-1]: f"{place}id"} if own and "id" in fields else {}
    ids |= {name: f"{place}{name}" for name in fields if name in collections.values()}
    ids |= {name: f"$request.path.{name}" for name in PARAMETER.findall(path)}
    return Known(operation["operationId"], ids, own[-1] if own and versioned else None)


def _links(known: Known, paths: Document) -> Iterator[tuple[str, dict[str, str]]]:
    for path, methods in paths.items():
        for method, operation in methods.items():
            given = known.leads_to(path, method)
            if given and operation["operationId"] != known.operation:
                yield operation["operationId"], given
