"""The rest between two rounds ends with the event, with its time, and with a cancellation, whenever it comes."""

import asyncio

import pytest

from shared.pausing import pause


def test_a_cancellation_that_comes_together_with_the_event_is_not_forgotten() -> None:
    async def story() -> None:
        event = asyncio.Event()
        resting = asyncio.create_task(pause(event, 60))
        for _ in range(3):
            await asyncio.sleep(0)
        event.set()
        resting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await resting

    asyncio.run(story())


def test_a_rest_ends_with_its_time_or_with_the_event() -> None:
    async def story() -> None:
        event = asyncio.Event()
        await pause(event, 0.01)
        event.set()
        async with asyncio.timeout(10):
            await pause(event, 60)

    asyncio.run(story())
