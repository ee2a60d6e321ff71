"""Where partners want to be told, as their managers arrange it."""

from base64 import b64decode
from typing import Any

import pytest
from sqlmodel import select
from starlette.testclient import TestClient

from services.referral.app import build
from services.referral.models import Endpoint
from services.referral.runtime import runtime
from shared.ids import new_id
from tests.harness import House, new_key
from tests.referral.partners import OTHER, Partners

HOOK = "http://127.0.0.1:9009/hook"


def close(partners: Partners, endpoint: Any, if_match: str = "*", headers: Any = None) -> Any:
    sent = {**(headers or partners.manager), "If-Match": if_match}
    return partners.client.delete(f"/referral/v1/endpoints/{endpoint['id']}", headers=sent)


def test_the_secret_is_shown_once_and_stored_sealed(partners: Partners, house: House) -> None:
    partners.organization()

    answer = partners.client.post("/referral/v1/endpoints", json={"url": HOOK}, headers=partners.manager)

    made = answer.json()
    assert (answer.status_code, answer.headers["etag"]) == (201, '"1"')
    assert made["secret"].startswith("whsec_")
    [listed] = partners.get("endpoints", partners.manager).json()["items"]
    assert listed == {name: value for name, value in made.items() if name != "secret"}
    with house.session("referral") as session:
        stored = session.exec(select(Endpoint)).one().secret
    assert stored is not None
    assert b64decode(made["secret"].removeprefix("whsec_")) not in stored
    assert made["secret"].encode() not in stored


def test_an_endpoint_that_was_taken_away_is_gone(partners: Partners) -> None:
    partners.organization()
    endpoint = partners.endpoint(HOOK)

    stale = close(partners, endpoint, '"7"')
    done = close(partners, endpoint, '"1"')

    assert (stale.status_code, done.status_code) == (412, 204)
    assert partners.get("endpoints", partners.manager).json()["items"] == []
    assert close(partners, endpoint).status_code == 404


def test_an_endpoint_of_others_does_not_exist(partners: Partners) -> None:
    partners.organization()
    partners.organization(OTHER)
    endpoint = partners.endpoint(HOOK)

    assert close(partners, endpoint, headers=partners.stranger).status_code == 404
    assert partners.get("endpoints", partners.stranger).json()["items"] == []
    assert partners.get("endpoints", partners.worker).status_code == 403


@pytest.mark.parametrize("url", ["ftp://example.org/", "https://u:p@example.org/", "http://10.1.2.3/", "", "x" * 501])
def test_an_address_that_cannot_be_one_is_refused(partners: Partners, url: str) -> None:
    partners.organization()

    answer = partners.client.post("/referral/v1/endpoints", json={"url": url}, headers=partners.manager)

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/url"]


def test_in_production_plain_http_and_loopback_are_refused(partners: Partners, house: House) -> None:
    partners.organization()
    settings = house.settings("referral", env="production", oidc_issuer="https://id.example.org")
    opened = runtime(settings)
    app = build(opened)
    app.state.verifier = partners.client.app.state.verifier  # type: ignore[attr-defined]

    with TestClient(app) as client:
        answers = [
            client.post(
                "/referral/v1/endpoints",
                json={"url": url},
                headers={**partners.manager, "Idempotency-Key": str(new_id())},
            )
            for url in (HOOK, "https://127.0.0.1/", "https://192.168.1.1/hook")
        ]

    assert [answer.status_code for answer in answers] == [422] * 3


def test_deliveries_are_listed_for_their_own_organization(partners: Partners) -> None:
    partners.shelter(beds=1)
    partners.organization(OTHER)
    endpoint, second = partners.endpoint(HOOK), partners.endpoint(HOOK)
    asked = [partners.referral() for _ in range(2)]

    def listed(query: str = "", headers: Any = None) -> list[Any]:
        items: list[Any] = partners.get(f"deliveries{query}", headers or partners.manager).json()["items"]
        return items

    assert len(listed()) == 4
    assert [row["endpoint_id"] for row in listed(f"?endpoint_id={endpoint['id']}")] == [endpoint["id"]] * 2
    [first] = listed(f"?referral_id={asked[0].referral_id}&endpoint_id={second['id']}&status=pending,failed")
    assert (first["type"], first["status"], first["tries"]) == ("referral.requested", "pending", 0)
    assert (first["attempts"], first["message_id"][:4]) == ([], "msg_")
    assert listed("?status=delivered") == []
    assert listed(headers=partners.stranger) == []


def test_our_public_keys_are_there_for_anyone_the_newest_first(house: House, partners: Partners) -> None:
    old, new = new_key(), new_key()
    opened = runtime(house.settings("referral", service_keys=f"k2:{new},k1:{old}"))

    with TestClient(build(opened)) as client:
        answer = client.get("/referral/.well-known/webhook-keys")

    keys = answer.json()["keys"]
    assert answer.status_code == 200
    assert [key["id"] for key in keys] == ["k2", "k1"]
    assert all(key["key"].startswith("whpk_") for key in keys)
    assert keys[0]["key"] != keys[1]["key"]
    assert partners.client.get("/referral/.well-known/webhook-keys").json()["keys"][0]["id"] == "k1"
