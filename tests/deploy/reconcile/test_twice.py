"""The count can tell an inbox that works from one that does not: in both houses every event comes twice."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

import pytest
from sqlmodel import Session

from deploy.postgres import SERVICES, Server
from deploy.reconcile.counting import reconcile
from services.intake.handlers import HANDLERS
from shared.bus import Record
from shared.contracts import KNOWN
from shared.db import conninfo
from shared.events import Envelope
from shared.inbox import Inbox
from shared.letters.model import LetterState, join_line
from tests.access.journey import Journey
from tests.access.listening import Listener, ListeningHouse


class Forgetful(Inbox):
    """An inbox that takes every event for new."""

    def _handle(self, record: Record, envelope: Envelope, attempt: int) -> None:
        with patch("shared.inbox.join_line", _forgotten):
            super()._handle(record, envelope, attempt)


def _forgotten(session: Session, record: Record, event_id: UUID) -> tuple[bool, LetterState | None]:
    _, ahead = join_line(session, record, event_id)
    return True, ahead


class Twice(ListeningHouse):
    """A carrier that delivers at least once, and each time twice; intake may forget what it had."""

    forgets = False

    def _take(self, service: str) -> list[Record]:
        return [record for record in super()._take(service) for _ in range(2)]

    def inbox(self, service: str, **options: Any) -> Inbox:
        if self.forgets and service == "intake":
            return Forgetful(self.runtime(service), HANDLERS, KNOWN, **options)
        return super().inbox(service, **options)


@pytest.fixture
def twice(server: Server, issuer: tuple[str, Path]) -> Iterator[Twice]:
    house = Twice(server, issuer[0], f"twice{os.getpid()}")
    for service in SERVICES:
        house.runtime(service)
    yield house
    house.close()


@pytest.mark.parametrize(("forgets", "broken"), [(False, set()), (True, {"timeline"})])
def test_an_effect_that_happened_twice_is_seen(twice: Twice, token: Any, *, forgets: bool, broken: set[str]) -> None:
    twice.forgets = forgets

    Journey(Listener(twice, token)).play()

    lines = reconcile({service: conninfo(twice.url(service)) for service in SERVICES})
    assert {line.name for line in lines if line.broken} == broken
