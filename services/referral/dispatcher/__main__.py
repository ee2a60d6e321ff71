"""`python -m services.referral.dispatcher --port N`."""

from services.referral.dispatcher import Dispatcher
from services.referral.runtime import runtime
from services.referral.settings import Settings
from shared.background import run_loops


def main() -> None:
    """Deliver until SIGTERM."""
    opened = runtime(Settings())
    run_loops(opened, [Dispatcher(opened).run], {})


if __name__ == "__main__":
    main()
