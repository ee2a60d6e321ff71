"""A process that consumes, and that is killed within the transaction of its n-th event, after the handler's writes."""

import asyncio
import itertools
import os
import signal

from sqlmodel import Session

from shared.inbox import Inbox
from shared.worker import stop_on_signals
from tests.shared.faults.plan import Plan
from tests.shared.faults.world import Counted, counted_by, note_effect


async def main(plan: Plan) -> None:
    """Consume until killed, or until SIGTERM."""
    world = plan.world()
    handled = itertools.count(1)

    def note_and_die(session: Session, event: Counted) -> None:
        note_effect(session, event)
        if next(handled) == plan.die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    inbox = Inbox(world.consumer, {counted_by(world.service): note_and_die}, world.known)
    carrier = plan.carrier(world.consumer, world.topic)
    await carrier.start()
    await carrier.consume([world.topic], inbox.accept, stop_on_signals())
    await carrier.stop()


if __name__ == "__main__":
    asyncio.run(main(Plan.told()))
