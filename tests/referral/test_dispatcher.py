"""The dispatcher, against real receivers on loopback."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from datetime import datetime, timedelta

import pytest
from sqlalchemy.engine import make_url
from sqlmodel import col, select
from standardwebhooks import Webhook
from structlog.testing import capture_logs

from deploy.postgres import Server
from services.referral.models import Endpoint
from shared.clock import now
from shared.webhooks import PublicKey, verify
from tests.harness import House, free_port
from tests.referral.dispatching import (
    PATIENCE,
    arrange,
    ask,
    deliveries,
    has,
    headers_of,
    one_after_another,
    running,
    statuses,
    until,
    withdraw,
)
from tests.referral.partners import Partners
from tests.shared.webhooks.receivers import answers, hangs, receiver

pytestmark = pytest.mark.anyio


async def test_a_message_arrives_signed_so_that_any_library_can_check_it(partners: Partners, house: House) -> None:
    async with receiver(answers(204)) as partner:
        [endpoint] = await arrange(partners, partner)
        async with running(house.runtime("referral")):
            asked = await ask(partners)
            await has(partner, 1)
            await until(lambda: statuses(partners) == ["delivered"])

    body, headers = partner.bodies[0], headers_of(partner.requests[0])
    told = json.loads(body)
    assert Webhook(endpoint["secret"]).verify(body, headers) == told
    published = partners.client.get("/referral/.well-known/webhook-keys").json()["keys"]
    verify(headers, body, [PublicKey.load(published[0]["key"])], now())
    assert [signature.split(",")[0] for signature in headers["webhook-signature"].split()] == ["v1", "v1a"]
    assert headers["x-correlation-id"] == "test-correlation"
    assert told["type"] == "referral.requested"
    assert datetime.fromisoformat(told["timestamp"]).tzinfo is not None
    assert told["data"] == {
        "referral_id": str(asked.referral_id),
        "url": f"http://127.0.0.1:8000/referral/v1/referrals/{asked.referral_id}",
        "disclosure_url": f"http://127.0.0.1:8000/intake/v1/disclosures/{asked.referral_id}",
    }
    assert str(asked.case_id) not in body.decode()
    [delivery] = deliveries(partners)
    assert (delivery["message_id"], delivery["due_at"]) == (headers["webhook-id"], None)
    assert [(each["status_code"], each["reason"]) for each in delivery["attempts"]] == [(204, "delivered")]


async def test_a_failure_is_tried_again_with_the_same_id_and_the_same_body(partners: Partners, house: House) -> None:
    behave = one_after_another(answers(500), answers(302, {"Location": "/"}), answers(200))
    async with receiver(behave) as partner:
        await arrange(partners, partner)
        async with running(house.runtime("referral")):
            await ask(partners)
            await until(lambda: statuses(partners) == ["delivered"])

    assert len({headers_of(request)["webhook-id"] for request in partner.requests}) == 1
    assert len(set(partner.bodies)) == 1
    [delivery] = deliveries(partners)
    assert delivery["tries"] == 3
    assert [(each["status_code"], each["reason"]) for each in delivery["attempts"]] == [
        (500, "http_error"),
        (302, "redirect"),
        (200, "delivered"),
    ]
    assert partners.get("endpoints", partners.manager).json()["items"][0]["failing_since"] is None


async def test_after_ten_tries_a_message_has_failed_and_the_next_one_goes(partners: Partners, house: House) -> None:
    behave = one_after_another(*[answers(503)] * 10, answers(200))
    async with receiver(behave) as partner:
        await arrange(partners, partner)
        asked = await ask(partners)
        await asyncio.to_thread(withdraw, house, asked)
        async with running(house.runtime("referral")):
            await until(lambda: statuses(partners) == ["failed", "delivered"])

    assert [row["tries"] for row in deliveries(partners)] == [10, 1]
    assert len(deliveries(partners)[0]["attempts"]) == 10


async def test_a_receiver_that_hangs_times_out(partners: Partners, house: House) -> None:
    async with receiver(one_after_another(hangs, answers(200))) as partner:
        await arrange(partners, partner)
        async with running(house.runtime("referral"), deadline=timedelta(seconds=0.3)):
            await ask(partners)
            await until(lambda: statuses(partners) == ["delivered"])

    assert [each["reason"] for each in deliveries(partners)[0]["attempts"]] == ["timeout", "delivered"]


async def test_a_gone_endpoint_is_disabled_and_gets_nothing_more(partners: Partners, house: House) -> None:
    async with receiver(answers(410)) as partner:
        await arrange(partners, partner)
        # Both are asked before anything is sent: an endpoint that is gone already is given no second message.
        for _ in range(2):
            await ask(partners)
        async with running(house.runtime("referral"), in_flight=1):
            await until(lambda: statuses(partners) == ["failed", "failed"])
            await ask(partners)

    [endpoint] = partners.get("endpoints", partners.manager).json()["items"]
    assert (endpoint["active"], endpoint["disabled_reason"]) == (False, "gone")
    assert len(partner.requests) == 1
    assert len(deliveries(partners)) == 2


async def test_what_was_on_its_way_to_a_removed_endpoint_is_given_up(partners: Partners, house: House) -> None:
    async with receiver(answers(200)) as partner:
        [endpoint] = await arrange(partners, partner)
        await ask(partners)
        sent = {**partners.manager, "If-Match": "*"}
        await asyncio.to_thread(partners.client.delete, f"/referral/v1/endpoints/{endpoint['id']}", headers=sent)
        async with running(house.runtime("referral")):
            await until(lambda: statuses(partners) == ["failed"])

    assert partner.requests == []


async def test_a_message_wakes_the_dispatcher(partners: Partners, house: House) -> None:
    async with receiver(answers(200)) as partner:
        await arrange(partners, partner)
        async with running(house.runtime("referral"), poll=timedelta(hours=1)):
            await ask(partners)
            await has(partner, 1)


async def test_a_process_of_its_own_delivers_and_stops_when_told(partners: Partners, house: House) -> None:
    port = free_port()
    settings = house.runtime("referral").settings
    environment = {
        "PATH": os.environ["PATH"],
        "ENV": "development",
        "PUBLIC_URL": settings.public_url,
        "OIDC_ISSUER": settings.oidc_issuer,
        "OIDC_JWKS_URL": settings.oidc_jwks_url,
        "OIDC_TOKEN_URL": settings.oidc_token_url,
        "REFERRAL_DATABASE_URL": settings.database_url.get_secret_value(),
        "REFERRAL_SERVICE_KEYS": settings.service_keys.get_secret_value(),
        "REFERRAL_CLIENT_SECRET": settings.client_secret.get_secret_value(),
    }
    command = [sys.executable, "-m", "services.referral.dispatcher", "--port", str(port)]
    async with receiver(answers(200)) as partner:
        await arrange(partners, partner)
        await ask(partners)
        with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:  # noqa: ASYNC220
            await until(lambda: statuses(partners) == ["delivered"])
            process.send_signal(signal.SIGTERM)
            stopped = await asyncio.to_thread(process.wait, PATIENCE)

    assert stopped == 0
    assert len(partner.requests) == 1


async def test_a_secret_that_was_moved_to_another_endpoint_signs_nothing(partners: Partners, house: House) -> None:
    async with receiver(answers(200)) as robbed, receiver(answers(200)) as partner:
        await arrange(partners, robbed, partner)
        with house.session("referral") as session:
            first, second = session.exec(select(Endpoint).order_by(col(Endpoint.seq))).all()
            first.secret = second.secret
            session.commit()
        await ask(partners)
        with capture_logs() as logged:
            async with running(house.runtime("referral")):
                await until(lambda: sorted(statuses(partners)) == ["delivered", "pending"])
                await until(lambda: "delivery_interrupted" in {entry["event"] for entry in logged})

    assert robbed.requests == []


async def test_a_database_that_was_away_is_taken_up_again(partners: Partners, house: House, server: Server) -> None:
    database = make_url(house.url("referral")).database
    async with receiver(answers(200)) as partner:
        await arrange(partners, partner)
        with capture_logs() as logged:
            async with running(house.runtime("referral")):
                with server.connect() as superuser:
                    superuser.autocommit = True
                    superuser.execute(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS false')
                    superuser.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (database,)
                    )
                    await until(
                        lambda: (
                            {"dispatcher_lost_database", "dispatcher_hears_nothing"}
                            <= {entry["event"] for entry in logged}
                        )
                    )
                    superuser.execute(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS true')
                await ask(partners)
                await until(lambda: statuses(partners) == ["delivered"])
