"""What can be measured of a service, for Prometheus: latency, outbox age, lag, dead letters, unsealed rows, refusals."""

from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of one service's own: its name, what it tells, and the select of one number that tells it."""

    name: str
    says: str
    select: Any


class Metrics:
    """The figures of one process; a registry of its own, so that four services in one process stay apart."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Histogram(
            "baoho_request_seconds",
            "Time from request to answer.",
            ["method", "route", "status"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.unauthenticated = Counter(
            "baoho_unauthenticated_total", "Requests refused with 401.", registry=self.registry
        )
        self.outbox_age = Gauge(
            "baoho_outbox_age_seconds", "Age of the oldest event not yet carried.", registry=self.registry
        )
        self.outbox_waiting = Gauge("baoho_outbox_waiting", "Events not yet carried.", registry=self.registry)
        self.lag = Gauge("baoho_consumer_lag", "Events carried to us but not yet handled.", registry=self.registry)
        self.dead_letters = Gauge("baoho_dead_letters", "Events that need an operator.", registry=self.registry)
        self.parked = Gauge("baoho_parked_events", "Events that wait behind a dead one.", registry=self.registry)
        self.replays_due = Gauge(
            "baoho_replays_due", "Events that an operator wants handled, and that are not yet.", registry=self.registry
        )
        self.erasures_unledgered = Gauge(
            "baoho_erasures_unledgered",
            "Erasures that no ledger knows: a restore would undo them.",
            registry=self.registry,
        )
        self.keys_missing = Gauge(
            "baoho_keys_missing", "Keys that something stored needs and that are not held.", registry=self.registry
        )
        self.fetch_age = Gauge(
            "baoho_fetch_age_seconds", "Age of the oldest detail asked for and not brought.", registry=self.registry
        )
        self.ready = Gauge("baoho_ready", "1 while this process can do its work.", registry=self.registry)
        self.clock_skew = Gauge(
            "baoho_clock_skew_seconds", "How far the clocks of process and database are apart.", registry=self.registry
        )
        self._figures: dict[str, Gauge] = {}
        self.fetches_due = Gauge(
            "baoho_fetches_due", "Details asked of other services, overdue.", registry=self.registry
        )
        self.audit_unsealed = Gauge(
            "baoho_audit_unsealed", "Recent audit rows without a seal, counted to 10,000.", registry=self.registry
        )
        self.audit_unsealed_age = Gauge(
            "baoho_audit_unsealed_age_seconds", "Age of the oldest of them.", registry=self.registry
        )

    def tell(self, figure: Figure, value: float) -> None:
        """Set a figure of the service's own."""
        if figure.name not in self._figures:
            self._figures[figure.name] = Gauge(figure.name, figure.says, registry=self.registry)
        self._figures[figure.name].set(value)
