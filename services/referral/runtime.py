"""What every process of referral runs on."""

from services.referral.access import FIGURES, VISIBLE
from services.referral.settings import Settings
from shared.process import open_runtime
from shared.runtime import Runtime

SERVICE = "referral"


def runtime(settings: Settings) -> Runtime:
    """Open what referral runs on."""
    return open_runtime(SERVICE, settings, VISIBLE, FIGURES)
