"""The witnesses: every service keeps how far the others' audit chains reached, where they cannot take it back."""

from sqlalchemy.dialects.postgresql import insert as upsert
from sqlmodel import Session

from shared.contracts import KNOWN
from shared.contracts.audit import AuditSealed
from shared.events import Handlers
from shared.tables import audit_head


def keep_head(session: Session, event: AuditSealed) -> None:
    """Keep a head; another MAC under a number that is known is kept beside it, as the contradiction it is."""
    kept = upsert(audit_head).values(service=event.producer(), n=event.n, mac=bytes.fromhex(event.mac))
    session.connection().execute(kept.on_conflict_do_nothing())


def witnessed_by(service: str) -> Handlers:
    """Return what a service does on the heads of all others; a part of its `HANDLERS`."""
    heads = (event for event in KNOWN.values() if issubclass(event, AuditSealed))
    return {event: keep_head for event in heads if event.producer() != service}
