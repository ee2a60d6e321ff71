"""Who is sent what and when: fairness, order, leases, and what a lost dispatcher leaves behind."""

import asyncio
import json
import threading
from datetime import timedelta

import pytest
from sqlmodel import select
from structlog.testing import capture_logs

from services.referral.dispatcher import Dispatcher
from services.referral.dispatcher.leases import Leases
from services.referral.models import DeliveryStatus, Endpoint
from shared.clock import now
from shared.webhooks import Outcome, Reason, Verdict, verdict
from tests.harness import House
from tests.referral.dispatching import (
    PATIENCE,
    SOON,
    arrange,
    ask,
    deliveries,
    has,
    headers_of,
    one_after_another,
    running,
    soon,
    statuses,
    until,
    withdraw,
)
from tests.referral.partners import OWN, Partners
from tests.shared.webhooks.receivers import answers, hangs, receiver

pytestmark = pytest.mark.anyio


async def test_an_inactive_organization_is_told_nothing_until_it_is_active_again(
    partners: Partners, house: House
) -> None:
    async with receiver(answers(200)) as partner:
        await arrange(partners, partner)
        await ask(partners)
        await asyncio.to_thread(partners.update, f"organizations/{OWN}", {"active": False})
        leases = Leases(house.runtime("referral"), in_flight=5, lease=timedelta(seconds=60), schedule=soon)
        assert await asyncio.to_thread(leases.take) == []
        await asyncio.to_thread(partners.update, f"organizations/{OWN}", {"active": True})
        async with running(house.runtime("referral")):
            await has(partner, 1)


async def test_one_partner_that_hangs_delays_no_other(partners: Partners, house: House) -> None:
    async with receiver(hangs) as slow, receiver(answers(200)) as quick:
        _, good = await arrange(partners, slow, quick)
        for _ in range(20):
            await ask(partners)
        async with running(house.runtime("referral"), deadline=timedelta(seconds=PATIENCE)) as dispatcher:
            await has(quick, 20)
            await has(slow, 5)
            held = len(slow.requests)
            await until(lambda: len(deliveries(partners, f"&endpoint_id={good['id']}&status=delivered")) == 20)
            for task in tuple(dispatcher._in_hand):
                task.cancel()

    assert held == 5


async def test_messages_of_a_referral_come_in_order_while_others_flow(partners: Partners, house: House) -> None:
    async with receiver(one_after_another(*[answers(500)] * 3, answers(200))) as partner:
        await arrange(partners, partner)
        first = await ask(partners)
        await asyncio.to_thread(withdraw, house, first)
        async with running(house.runtime("referral"), in_flight=1):
            await has(partner, 3)
            others = [await ask(partners) for _ in range(3)]
            await until(lambda: statuses(partners) == ["delivered"] * 5)

    told = [json.loads(body) for body in partner.bodies]
    about_first = [each["type"] for each in told if each["data"]["referral_id"] == str(first.referral_id)]
    assert about_first[-1] == "referral.cancelled"
    assert about_first.count("referral.cancelled") == 1
    assert {each["data"]["referral_id"] for each in told} >= {str(event.referral_id) for event in others}


async def test_a_later_message_waits_but_another_referral_does_not(partners: Partners, house: House) -> None:
    async with receiver(answers(200)) as partner:
        await arrange(partners, partner)
    first = await ask(partners)
    await asyncio.to_thread(withdraw, house, first)
    other = await ask(partners)
    leases = Leases(house.runtime("referral"), in_flight=5, lease=timedelta(seconds=60), schedule=soon)

    leased = await asyncio.to_thread(leases.take)
    nothing = await asyncio.to_thread(leases.take)

    assert [(each.type, each.payload["referral_id"]) for each in sorted(leased, key=lambda each: each.created_at)] == [
        ("referral.requested", str(first.referral_id)),
        ("referral.requested", str(other.referral_id)),
    ]
    assert nothing == []


async def test_an_endpoint_that_asks_for_less_gets_one_at_a_time(partners: Partners, house: House) -> None:
    async with receiver(answers(200)) as partner:
        await arrange(partners, partner)
    for _ in range(8):
        await ask(partners)
    leases = Leases(house.runtime("referral"), in_flight=5, lease=timedelta(seconds=60), schedule=soon)
    leased = await asyncio.to_thread(leases.take)
    busy = Outcome(429, Reason.SLOW_DOWN, timedelta(minutes=5), timedelta())
    for each in leased:
        await asyncio.to_thread(leases.record, each, busy, now())

    again = await asyncio.to_thread(leases.take)

    assert verdict(busy) is Verdict.SLOW_DOWN
    assert (len(leased), len(again)) == (5, 1)


async def test_two_dispatchers_together_keep_to_the_limit_and_send_each_message_once(
    partners: Partners, house: House
) -> None:
    at_once = 0
    most = 0

    async def counts(writer: asyncio.StreamWriter) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.02)
        at_once -= 1
        await answers(200)(writer)

    async with receiver(counts) as partner:
        await arrange(partners, partner)
        for _ in range(40):
            await ask(partners)
        runtime = house.runtime("referral")
        async with running(runtime), running(runtime):
            await until(lambda: statuses(partners) == ["delivered"] * 40)

    ids = [headers_of(request)["webhook-id"] for request in partner.requests]
    assert len(ids) == len(set(ids)) == 40
    assert most <= 5


async def test_dispatchers_that_look_at_the_same_moment_lease_no_more_than_the_limit(
    partners: Partners, house: House
) -> None:
    async with receiver(answers(200)) as partner:
        await arrange(partners, partner)
    leases = Leases(house.runtime("referral"), in_flight=5, lease=timedelta(seconds=60), schedule=soon)
    start = threading.Barrier(4)

    def take() -> int:
        start.wait()
        return len(leases.take())

    async def all_take() -> int:
        return sum(await asyncio.gather(*(asyncio.to_thread(take) for _ in range(4))))

    before = await all_take()  # Their connections are open from here on, so that they truly meet.
    for _ in range(40):
        await ask(partners)

    assert (before, await all_take()) == (0, 5)


async def test_a_dispatcher_lost_between_sending_and_recording_is_made_good_with_the_same_id(
    partners: Partners, house: House
) -> None:
    runtime = house.runtime("referral")
    async with receiver(one_after_another(hangs, answers(200))) as partner:
        await arrange(partners, partner)
        await ask(partners)
        lost = Dispatcher(runtime, poll=SOON, lease=timedelta(seconds=2))
        dying = asyncio.create_task(lost.run(asyncio.Event()))
        await has(partner, 1)
        for task in tuple(lost._in_hand):
            task.cancel()
        dying.cancel()
        await asyncio.gather(dying, return_exceptions=True)

        async with running(runtime):
            await until(lambda: statuses(partners) == ["delivered"])

    assert len({headers_of(request)["webhook-id"] for request in partner.requests}) == 1
    assert len(partner.requests) == 2
    assert len(deliveries(partners)[0]["attempts"]) == 1


async def test_who_lost_a_lease_records_the_try_and_changes_nothing_else(partners: Partners, house: House) -> None:
    async with receiver(answers(200)) as partner:
        await arrange(partners, partner)
    await ask(partners)
    leases = Leases(house.runtime("referral"), in_flight=5, lease=timedelta(), schedule=soon)
    [late] = await asyncio.to_thread(leases.take)
    [current] = await asyncio.to_thread(leases.take)

    await asyncio.to_thread(leases.record, late, Outcome(410, Reason.GONE, None, timedelta()), now())
    meanwhile = deliveries(partners)[0]
    await asyncio.to_thread(leases.record, current, Outcome(200, Reason.DELIVERED, None, timedelta()), now())

    assert (meanwhile["status"], len(meanwhile["attempts"])) == (DeliveryStatus.PENDING, 1)
    assert statuses(partners) == ["delivered"]
    assert partners.get("endpoints", partners.manager).json()["items"][0]["active"] is True


async def test_an_endpoint_that_failed_for_a_day_is_warned_about_and_used_on(partners: Partners, house: House) -> None:
    async with receiver(answers(200)) as partner:
        await arrange(partners, partner)
    await ask(partners)
    with house.session("referral") as session:
        session.exec(select(Endpoint)).one().failing_since = now() - timedelta(hours=25)
        session.commit()
    leases = Leases(house.runtime("referral"), in_flight=5, lease=timedelta(seconds=60), schedule=soon)
    [leased] = await asyncio.to_thread(leases.take)

    with capture_logs() as logged:
        await asyncio.to_thread(leases.record, leased, Outcome(500, Reason.HTTP_ERROR, None, timedelta()), now())

    assert [entry["event"] for entry in logged] == ["endpoint_failing"]
    assert partners.get("endpoints", partners.manager).json()["items"][0]["active"] is True
