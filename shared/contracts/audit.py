"""What every producer promises of its audit chain: how far it reaches, so that the other services are its witnesses."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from pydantic import Field

from shared.events import Event

MAC_FORM = "^[0-9a-f]{64}$"


class AuditSealed(Event):
    """The audit chain of a service reached its row `n`; whoever cuts the chain's end later contradicts this."""

    n: Annotated[int, Field(ge=1)]
    mac: Annotated[str, Field(pattern=MAC_FORM)]
    """The MAC of row `n` in hexadecimal digits: it tells nothing of the row."""
    sealed_at: datetime


def sealed_event(service: str, known: Mapping[str, type[Event]]) -> type[AuditSealed] | None:
    """Return the event by which a service tells of its chain; `None` if it promised none."""
    found = known.get(f"{service}.audit_sealed.v1")
    return found if found is not None and issubclass(found, AuditSealed) else None
