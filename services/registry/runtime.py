"""What every process of the registry runs on."""

from services.registry.access import VISIBLE
from services.registry.settings import Settings
from shared.process import open_runtime
from shared.runtime import Runtime

SERVICE = "registry"


def runtime(settings: Settings) -> Runtime:
    """Open what the registry runs on."""
    return open_runtime(SERVICE, settings, VISIBLE)
