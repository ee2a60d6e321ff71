"""`make docs`: the pages that are made from the code and from the access matrix, and the promises of new events."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Any

from deploy import asyncapi, promises
from deploy.postgres import SERVICES
from shared.contracts import PRODUCERS
from shared.events import Event, topic_of

FOLDER = Path(__file__).parents[1] / "docs"
LEGEND = (
    "Each cell: own object / foreign object; one mark where no object is involved. "
    "✓ is allowed, 403 forbidden, 404 does not exist for this caller."
)
NOTICE = "*Made from the code by `make docs`; a test fails when it is stale.*"


def pages() -> dict[str, str]:
    """Return each page's file name with its text as it should be now."""
    return {
        "reference/events.md": events(),
        "reference/states.md": states(),
        "reference/access.md": access(),
        "asyncapi.yaml": asyncapi.text(handlers()),
    }


def events() -> str:
    """Return what each service publishes, who handles it, and its fields."""
    parts = [
        "# Events",
        NOTICE,
        "One topic per producer, keyed by the aggregate's id. Delivery: [decision 0004](../adr/0004-outbox-relay-inbox.md).",
    ]
    handled = handlers()
    for producer, contracts in PRODUCERS.items():
        parts.append(f"## {producer} (topic `{topic_of(producer)}`)")
        parts += [_event(event, handled) for event in contracts]
    return "\n\n".join(parts) + "\n"


def _event(event: type[Event], handled: asyncapi.Handled) -> str:
    consumers = ", ".join(f"{service} (`{handler}`)" for service, handler in handled.get(event, ())) or "nobody yet"
    rows = [f"| `{name}` | `{_type_name(field.annotation)}` |" for name, field in event.model_fields.items()]
    head = [
        f"### `{event.type}`",
        f"{inspect.getdoc(event)}",
        f"Classified {event.classification.value}. Handled by: {consumers}.",
        "\n".join(["| Field | Type |", "|---|---|", *rows]),
    ]
    return "\n\n".join(head)


def handlers() -> dict[type[Event], list[tuple[str, str]]]:
    """Return who handles each event: services and the names of their handlers."""
    found: dict[type[Event], list[tuple[str, str]]] = {}
    for service in SERVICES:
        module = importlib.import_module(f"services.{service}.handlers")
        for event, handler in module.HANDLERS.items():
            found.setdefault(event, []).append((service, handler.__name__))
    return found


def states() -> str:
    """Return each state machine as a diagram."""
    parts = ["# State machines", NOTICE]
    for service in SERVICES:
        for name, machine in _machines(service):
            parts += [f"## {service}: {name}", _diagram(machine)]
    return "\n\n".join(parts) + "\n"


def _machines(service: str) -> Iterator[tuple[str, Mapping[StrEnum, frozenset[StrEnum]]]]:
    for module in _modules(f"services.{service}.rules"):
        for value in vars(module).values():
            if _is_machine(value):
                yield type(next(iter(value))).__name__, value


def _modules(name: str) -> Iterator[ModuleType]:
    module = importlib.import_module(name)
    yield module
    for inner in pkgutil.iter_modules(getattr(module, "__path__", [])):
        yield importlib.import_module(f"{name}.{inner.name}")


def _is_machine(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(isinstance(key, StrEnum) and isinstance(steps, frozenset) for key, steps in value.items())
        and all(type(key) is type(step) for key, steps in value.items() for step in steps)
    )


def _diagram(machine: Mapping[StrEnum, frozenset[StrEnum]]) -> str:
    first = next(iter(machine))
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {first.value}"]
    for status, steps in machine.items():
        lines += [f"    {status.value} --> {step.value}" for step in sorted(steps)]
        lines += [] if steps else [f"    {status.value} --> [*]"]
    return "\n".join([*lines, "```"])


def access() -> str:
    """Return the access matrix as tables: operations down, roles across."""
    from tests.access_matrix import MATRIX, ROLES

    parts = [
        "# Access",
        "*Made by `make docs` from the hand-written `tests/access_matrix.py`, which tests hold the services to.*",
        LEGEND,
    ]
    for service, operations in MATRIX.items():
        head = "| Operation | " + " | ".join(role.replace("_", " ") for role in ROLES) + " |"
        rows = [
            f"| `{operation}` | " + " | ".join(cells[role] for role in ROLES) + " |"
            for operation, cells in operations.items()
        ]
        parts += [f"## {service}", "\n".join([head, "|---" * (len(ROLES) + 1) + "|", *rows])]
    return "\n\n".join(parts) + "\n"


def _type_name(annotation: Any) -> str:
    return (
        getattr(annotation, "__name__", str(annotation))
        if not getattr(annotation, "__args__", None)
        else str(annotation).replace("uuid.", "").replace("typing.", "")
    )


def main() -> None:
    """Write every page."""
    try:
        promises.write()
    except promises.BrokenPromiseError as error:
        raise SystemExit(str(error)) from None
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        print(f"docs/{name}")


if __name__ == "__main__":
    main()
