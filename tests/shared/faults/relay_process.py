"""A process that relays, and that is killed after the acknowledgement of its n-th batch, before it can delete it."""

import asyncio
import os
import signal

from shared.bus import Carrier
from shared.db import conninfo
from shared.outbox import Relay
from tests.shared.faults.plan import Plan
from tests.shared.faults.world import Watched


class DiesAfterAck(Watched):
    """A carrier whose process is killed once so many batches are stored for good."""

    def __init__(self, carrier: Carrier, die_at: int) -> None:
        super().__init__(carrier)
        self._die_at = die_at

    async def after_ack(self) -> None:
        if self.published == self._die_at:
            os.kill(os.getpid(), signal.SIGKILL)


async def main(plan: Plan) -> None:
    """Relay until killed."""
    world = plan.world()
    carrier = DiesAfterAck(plan.carrier(world.consumer, world.topic), plan.die_at)
    await carrier.start()
    await Relay(conninfo(plan.producer_url), carrier).run(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main(Plan.told()))
