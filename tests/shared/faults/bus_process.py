"""A process that runs the services on the embedded carrier, or is refused; it stays until it is killed."""

import sys
import time

from shared.bus.embedded import EmbeddedBus, SecondProcessError
from tests.shared.faults.plan import Plan
from tests.shared.faults.world import CONSUMER

REFUSED = 3
LIFETIME = 120


def main(plan: Plan) -> int:
    """Open the bus and hold it."""
    world = plan.world()
    bus = EmbeddedBus(
        {world.service: world.producer.engine, CONSUMER: world.consumer.engine}, {CONSUMER: [world.topic]}
    )
    try:
        bus.open()
    except SecondProcessError:
        return REFUSED
    time.sleep(LIFETIME)
    return 0


if __name__ == "__main__":
    sys.exit(main(Plan.told()))
