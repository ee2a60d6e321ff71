"""What of referral hangs on its keys: the secrets shared with partners' endpoints; it knows no people."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Session

from services.referral.actions import ENDPOINT_SECRET
from services.referral.models import Endpoint
from shared import people
from shared.keys import KIT, Dependent, Wrapped


def erase_again(session: Session, person_id: UUID, at: datetime) -> None:
    """Apply an erasure of the ledger to what was restored; whoever is not there cannot come later either."""
    people.erase(session, person_id, at)


KEYS: tuple[Dependent, ...] = (
    *KIT,
    Wrapped("secrets of partners' endpoints", Endpoint.__table__, "id", "secret", ENDPOINT_SECRET),  # type: ignore[attr-defined]
)
