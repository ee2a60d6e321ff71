"""The service key of referral is rotated: partners' secrets are sealed anew, and messages are signed by both keys meanwhile."""

from typing import Any

from sqlmodel import select

from services.referral.actions import open_secret
from services.referral.models import Endpoint
from shared.webhooks import SymmetricKey
from tests.harness import House
from tests.keyring import KeyRing
from tests.referral.partners import Partners

HOOK = "http://127.0.0.1:9009/hook"


def test_secrets_of_endpoints_are_sealed_anew_and_open_with_the_new_key_alone(house: House, token: Any) -> None:
    partners, ring = Partners(house, token), KeyRing(house)
    partners.organization()
    secret = partners.endpoint(HOOK)["secret"]
    ring.turn("referral", "service", "k2", "k1")
    needed = ring.findings("referral")["service", "k1"].needed_by

    ring.round("referral")

    ring.turn("referral", "service", "k2")
    with house.session("referral") as session:
        endpoint = session.exec(select(Endpoint)).one()
        opened = open_secret(house.runtime("referral").vault, endpoint.id, endpoint.secret or b"")
    assert needed["secrets of partners' endpoints"] == 1
    assert str(opened) == str(SymmetricKey.load(secret))


def test_partners_can_check_with_either_key_while_both_are_held(house: House, token: Any) -> None:
    ring = KeyRing(house)
    client = Partners(house, token).client

    def published() -> dict[str, str]:
        return {key["id"]: key["key"] for key in client.get("/referral/.well-known/webhook-keys").json()["keys"]}

    before = published()
    ring.turn("referral", "service", "k1", "k2")
    added = published()
    ring.turn("referral", "service", "k2", "k1")
    promoted = published()

    assert list(before) == ["k1"]
    assert (list(added), list(promoted)) == (["k1", "k2"], ["k2", "k1"])
    assert before["k1"] == added["k1"] == promoted["k1"]
