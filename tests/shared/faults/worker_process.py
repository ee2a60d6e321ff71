"""The event process of the consuming service, whose handler waits in mid-transaction until a test lets it go on."""

import asyncio
import time
from pathlib import Path

from sqlmodel import Session

from shared.worker import Worker, stop_on_signals
from tests.shared.faults.plan import Plan
from tests.shared.faults.world import Counted, counted_by, note_effect

LONGEST = 60


async def main(plan: Plan) -> None:
    """Work until SIGTERM."""
    world, gate = plan.world(), Path(plan.gate)

    def note_slowly(session: Session, event: Counted) -> None:
        note_effect(session, event)
        (gate / "in_hand").touch()
        deadline = time.monotonic() + LONGEST
        while not (gate / "go_on").exists() and time.monotonic() < deadline:
            time.sleep(0.02)

    carrier = plan.carrier(world.consumer, world.topic)
    worker = Worker(world.consumer, carrier, {counted_by(world.service): note_slowly}, world.known)
    await worker.run(stop_on_signals())
    world.consumer.close()


if __name__ == "__main__":
    asyncio.run(main(Plan.told()))
