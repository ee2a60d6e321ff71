"""What of referral hangs on its keys: the secrets shared with partners' endpoints; it knows no people."""

from services.referral.actions import ENDPOINT_SECRET
from services.referral.models import Endpoint
from shared.keys import KIT, Dependent, Wrapped

KEYS: tuple[Dependent, ...] = (
    *KIT,
    Wrapped("secrets of partners' endpoints", Endpoint.__table__, "id", "secret", ENDPOINT_SECRET),  # type: ignore[attr-defined]
)
