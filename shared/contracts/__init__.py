"""The public promises of each service: its events and the read models it offers, one file per producer."""

from types import MappingProxyType

from shared.contracts import hotline, intake, referral, registry
from shared.events import Event

PRODUCERS = MappingProxyType(
    {"intake": intake.EVENTS, "hotline": hotline.EVENTS, "referral": referral.EVENTS, "registry": registry.EVENTS}
)
KNOWN: MappingProxyType[str, type[Event]] = MappingProxyType(
    {event.type: event for events in PRODUCERS.values() for event in events}
)
"""Every event type of the house by its name; anything else on a topic is refused."""
