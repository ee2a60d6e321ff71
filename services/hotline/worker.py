"""The hotline's event process: `python -m services.hotline.worker --port N`."""

from services.hotline.handlers import HANDLERS
from services.hotline.keys import KEYS
from services.hotline.runtime import runtime
from services.hotline.settings import Settings
from shared.background import run_worker
from shared.bus import Carrier
from shared.contracts import KNOWN
from shared.runtime import Runtime
from shared.worker import Worker


def build(runtime: Runtime, carrier: Carrier) -> Worker:
    """Return the worker on a given runtime and carrier."""
    return Worker(runtime, carrier, HANDLERS, KNOWN, keys=KEYS)


def main() -> None:
    """Work until SIGTERM."""
    run_worker(runtime(Settings()), build)


if __name__ == "__main__":
    main()
