"""What every public promise must be: frozen, versioned, its producer's own, and free of anything personal."""

import re
import types
from datetime import datetime
from enum import StrEnum
from importlib import import_module
from inspect import getmembers, isclass
from typing import Any, Union, get_args, get_origin
from uuid import UUID

import pytest
from pydantic import BaseModel

from shared import contracts
from shared.bus.kafka_topics import PARTITIONS
from shared.contracts import KNOWN, PRODUCERS
from shared.events import Classification, Event, topic_of
from shared.fetch import ReadModel
from shared.money import Money

SERVICES = ("intake", "hotline", "referral", "registry")
EVENTS = sorted(KNOWN.values(), key=lambda event: event.type)
TYPE_FORM = re.compile(r"[a-z]+\.[a-z]+(_[a-z]+)*\.v[1-9][0-9]*")
PLAIN = (UUID, datetime, bool, int, Money)
"""Types whose values cannot say who someone is."""
CODES = frozenset(
    {
        "allegations",
        "category",
        "country",
        "office",
        "outcome",
        "population",
        "priority",
        "province",
        "reason",
        "service_type",
    }
)
"""Text fields that hold a code of a list; a new one is put here by a person who has thought about it."""
PSEUDONYMS = frozenset({"pseudonym"})
MACS = frozenset({"mac"})
"""Text fields that hold a MAC, which tells nothing without its key."""


def leaves(annotation: Any) -> list[Any]:
    """Return what an annotation is made of: `list[UUID] | None` is made of UUID and None."""
    if get_origin(annotation) in (Union, types.UnionType, list, tuple):
        return [leaf for inner in get_args(annotation) for leaf in leaves(inner)]
    return [annotation]


def is_code(annotation: Any) -> bool:
    return isclass(annotation) and issubclass(annotation, StrEnum)


def module_of(service: str) -> Any:
    return import_module(f"shared.contracts.{service}")


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_an_event_is_frozen_named_after_its_producer_and_versioned(event: type[Event]) -> None:
    assert event.model_config["frozen"]
    assert event.model_config["extra"] == "ignore"
    assert TYPE_FORM.fullmatch(event.type)
    assert event in PRODUCERS[event.producer()]
    assert event.__doc__


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_an_event_has_no_field_that_could_say_who_someone_is(event: type[Event]) -> None:
    for name, field in event.model_fields.items():
        for leaf in leaves(field.annotation):
            plain = leaf in PLAIN or leaf is type(None) or is_code(leaf)
            text = leaf is str and name in CODES | PSEUDONYMS | MACS
            assert plain or text, f"{event.type}.{name}: {leaf}"


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_exactly_the_events_with_a_pseudonym_are_classified_so(event: type[Event]) -> None:
    has_pseudonym = bool(PSEUDONYMS & event.model_fields.keys())

    assert (event.classification is Classification.PSEUDONYMOUS) == has_pseudonym


@pytest.mark.parametrize("service", SERVICES)
def test_every_event_of_a_contract_is_listed_there_once(service: str) -> None:
    declared = [
        member
        for _, member in getmembers(module_of(service), isclass)
        if issubclass(member, Event) and member is not Event and member.__module__ == f"shared.contracts.{service}"
    ]

    assert sorted(PRODUCERS[service], key=repr) == sorted(declared, key=repr)
    assert {event.producer() for event in declared} == {service}


def test_no_two_events_share_a_type() -> None:
    assert len(KNOWN) == sum(len(events) for events in PRODUCERS.values())
    assert all(KNOWN[event.type] is event for event in EVENTS)
    assert tuple(PRODUCERS) == SERVICES


@pytest.mark.parametrize("service", SERVICES)
def test_a_read_model_is_frozen_and_asked_of_its_owner_by_ids_in_its_path(service: str) -> None:
    models = [
        member
        for _, member in getmembers(module_of(service), isclass)
        if issubclass(member, ReadModel) and member.__module__ == f"shared.contracts.{service}"
    ]

    for model in models:
        assert model.model_config["frozen"]
        assert model.owner == service
        assert model.path.startswith(f"/{service}/v1/")
        assert all(name.endswith("_id") for name in re.findall(r"{(\w+)}", model.path))
        assert "?" not in model.path


def test_nothing_in_a_contract_can_be_changed_once_made() -> None:
    models = [
        member
        for service in SERVICES
        for _, member in getmembers(module_of(service), isclass)
        if issubclass(member, BaseModel) and member.__module__.startswith(contracts.__name__)
    ]

    assert all(model.model_config.get("frozen") for model in models)


def test_topics_are_one_per_producer_with_a_number_of_partitions_that_is_for_good() -> None:
    assert [topic_of(service) for service in PRODUCERS] == [
        "intake.events",
        "hotline.events",
        "referral.events",
        "registry.events",
    ]
    assert PARTITIONS == 24


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_handles_known_events_of_other_services_only(service: str) -> None:
    handlers = import_module(f"services.{service}.handlers").HANDLERS

    assert set(handlers) <= set(EVENTS)
    assert service not in {event.producer() for event in handlers}
    assert all(callable(handler) for handler in handlers.values())
