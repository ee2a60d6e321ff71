"""Referral's event process: `python -m services.referral.worker --port N`."""

from services.referral.handlers import HANDLERS
from services.referral.keys import KEYS
from services.referral.runtime import runtime
from services.referral.settings import Settings
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
