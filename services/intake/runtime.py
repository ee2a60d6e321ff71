"""What every process of intake runs on."""

from services.intake.access import FIGURES, VISIBLE
from services.intake.settings import Settings
from shared.process import open_runtime
from shared.runtime import Runtime

SERVICE = "intake"


def runtime(settings: Settings) -> Runtime:
    """Open what intake runs on."""
    return open_runtime(SERVICE, settings, VISIBLE, FIGURES)
