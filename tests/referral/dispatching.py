"""A running dispatcher, and what it takes to watch one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from services.referral.dispatcher import Dispatcher
from shared.contracts.intake import ConsentWithdrawn, ReferralRequested
from shared.ids import new_id
from shared.runtime import Runtime
from shared.webhooks import Outcome, next_attempt_at
from tests.harness import House
from tests.referral.partners import Partners
from tests.shared.webhooks.receivers import Receiver

PATIENCE = 60
"""Seconds until a test that waits gives up; nothing here is a measurement."""
SOON = timedelta(seconds=0.05)


def soon(tries: int, outcome: Outcome, at: datetime) -> datetime | None:
    """Keep the ten tries of the real schedule, but not its hours."""
    return at + SOON if next_attempt_at(tries, outcome, at) is not None else None


@asynccontextmanager
async def running(runtime: Runtime, **options: Any) -> AsyncIterator[Dispatcher]:
    """Run a dispatcher that does not wait long."""
    dispatcher = Dispatcher(runtime, **{"poll": SOON, "schedule": soon, **options})
    stop = asyncio.Event()
    task = asyncio.create_task(dispatcher.run(stop))
    try:
        yield dispatcher
    finally:
        stop.set()
        await task


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds, or fail."""
    async with asyncio.timeout(PATIENCE):
        while not await asyncio.to_thread(holds):  # noqa: ASYNC110 - what is waited for is another process's database
            await asyncio.sleep(0.05)


async def has(partner: Receiver, count: int) -> None:
    async with asyncio.timeout(PATIENCE):
        await partner.has(count)


def headers_of(request: bytes) -> dict[str, str]:
    lines = request.decode("latin-1").split("\r\n")[1:]
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines) if value}


def deliveries(partners: Partners, query: str = "") -> list[dict[str, Any]]:
    """Return what the manager sees, oldest first."""
    items: list[dict[str, Any]] = partners.get(f"deliveries?limit=100{query}", partners.manager).json()["items"]
    return items[::-1]


def statuses(partners: Partners) -> list[str]:
    return [row["status"] for row in deliveries(partners)]


def one_after_another(*behaviours: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> Any:
    """Behave differently each time; the last behaviour stays."""
    left = list(behaviours)

    async def behave(writer: asyncio.StreamWriter) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(writer)

    return behave


async def arrange(partners: Partners, *receivers: Receiver) -> list[dict[str, Any]]:
    """Make a shelter that wants to be told at these receivers."""
    await asyncio.to_thread(partners.shelter, beds=50)
    return [await asyncio.to_thread(partners.endpoint, each.url()) for each in receivers]


async def ask(partners: Partners, **changes: Any) -> ReferralRequested:
    return await asyncio.to_thread(partners.referral, **changes)


def withdraw(house: House, asked: ReferralRequested) -> None:
    withdrawn = ConsentWithdrawn(case_id=asked.case_id, consent_id=new_id(), referral_ids=[asked.referral_id])
    house.handle("referral", withdrawn)
