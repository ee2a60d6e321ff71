"""What is still on its way between two services: not lost, whatever its age."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from deploy.reconcile.snapshots import Snapshot
from shared.events import topic_of

ID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SLACK = timedelta(minutes=1)
"""A transaction may begin a little after the change that it stores was decided."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Since when each flow has a backlog, and which ids each service's dead letters and fetches speak of."""

    since: Mapping[tuple[str, str], datetime]
    held: Mapping[str, frozenset[str]]

    def on_its_way(self, flow: tuple[str, str], key: str, at: datetime) -> bool:
        """Say whether news of `key`, as of `at`, may still be waiting on this flow."""
        since = self.since.get(flow)
        return key in self.held[flow[1]] or (since is not None and at >= since - SLACK)


def waiting(found: Mapping[str, Snapshot]) -> Waiting:
    """Look up what waits in every outbox, mailbox, fetch and dead letter."""
    flows = {(producer, consumer) for producer in found for consumer in found if producer != consumer}
    since = {flow: oldest for flow in flows if (oldest := _oldest(found, *flow)) is not None}
    return Waiting(since, {service: _held(snapshot) for service, snapshot in found.items()})


def _oldest(found: Mapping[str, Snapshot], producer: str, consumer: str) -> datetime | None:
    queries = (
        (producer, "SELECT created_at FROM outbox ORDER BY id LIMIT 1"),
        (consumer, f"SELECT created_at FROM mailbox WHERE topic = '{topic_of(producer)}' ORDER BY id LIMIT 1"),  # noqa: S608
    )
    return min((row[0] for service, query in queries for row in found[service].rows(query)), default=None)


def _held(snapshot: Snapshot) -> frozenset[str]:
    """Collect the ids that dead letters and unfinished fetches name: few, or an operator has been told."""
    letters = "SELECT payload FROM dead_letter WHERE state IN ('dead', 'parked', 'due') AND payload IS NOT NULL"
    asked = """SELECT convert_to(params::text, 'UTF8') FROM "fetch" WHERE done_at IS NULL"""
    return frozenset(
        name.decode() for query in (letters, asked) for row in snapshot.rows(query) for name in ID.findall(row[0])
    )
