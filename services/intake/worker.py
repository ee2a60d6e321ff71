"""Intake's event process: `python -m services.intake.worker --port N`."""

from services.intake.handlers import APPLY, HANDLERS
from services.intake.keys import KEYS
from services.intake.runtime import runtime
from services.intake.settings import Settings
from shared.background import run_worker
from shared.bus import Carrier
from shared.contracts import KNOWN
from shared.runtime import Runtime
from shared.worker import Worker


def build(runtime: Runtime, carrier: Carrier) -> Worker:
    """Return the worker on a given runtime and carrier."""
    return Worker(runtime, carrier, HANDLERS, KNOWN, apply=APPLY, keys=KEYS)


def main() -> None:
    """Work until SIGTERM."""
    run_worker(runtime(Settings()), build)


if __name__ == "__main__":
    main()
