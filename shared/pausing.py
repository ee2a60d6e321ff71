"""The rest between two rounds of a loop."""

import asyncio
import contextlib


async def pause(event: asyncio.Event, seconds: float) -> None:
    """Wait until something happens, or for so many seconds.

    Never `asyncio.wait_for`: in Python 3.11 it forgets a cancellation that comes together with the event, and whoever
    cancelled waits for ever.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
