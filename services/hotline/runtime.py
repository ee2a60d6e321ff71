"""What every process of the hotline runs on."""

from services.hotline.access import VISIBLE
from services.hotline.settings import Settings
from shared.process import open_runtime
from shared.runtime import Runtime

SERVICE = "hotline"


def runtime(settings: Settings) -> Runtime:
    """Open what the hotline runs on."""
    return open_runtime(SERVICE, settings, VISIBLE)
