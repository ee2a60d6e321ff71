"""What is measured of webhooks and referrals: only what somebody waits for, and never which partner it is."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlmodel import Session

from services.referral.access import FIGURES
from services.referral.models import (
    Delivery,
    DeliveryStatus,
    DisabledReason,
    Endpoint,
    Message,
    MessageType,
    Organization,
    Priority,
    Referral,
    ReferralStatus,
    Service,
)
from shared.clock import now
from shared.contracts.referral import Population, ServiceType
from shared.ids import new_id
from tests.harness import House

LATE = now() - timedelta(hours=1)


def figures(house: House) -> dict[str, float]:
    """Return the referral service's own figures as Prometheus is told them."""
    told = house.client("referral").get("/referral/metrics").text.splitlines()
    pairs = [line.rsplit(" ", 1) for line in told if not line.startswith("#")]
    return {name: float(value) for name, value in pairs if name in {figure.name for figure in FIGURES}}


def stored(session: Session, row: Any) -> Any:
    session.add(row)
    session.flush()
    return row


def organization(session: Session, *, active: bool = True) -> UUID:
    kept: Organization = stored(session, Organization(name="Một đối tác", active=active))
    return kept.id


def endpoint(session: Session, organization_id: UUID, **changes: Any) -> UUID:
    values = {"organization_id": organization_id, "url": "https://partner.example/hook", "secret": b"sealed"}
    kept: Endpoint = stored(session, Endpoint(**{**values, **changes}))
    return kept.id


def referral(session: Session, organization_id: UUID, **changes: Any) -> UUID:
    service = stored(
        session,
        Service(
            organization_id=organization_id,
            name="Nhà Bình Yên",
            service_type=ServiceType.SHELTER,
            provinces=[],
            populations=[],
        ),
    )
    values = {
        "case_id": new_id(),
        "organization_id": organization_id,
        "service_id": service.id,
        "service_type": ServiceType.SHELTER,
        "priority": Priority.P2,
        "province": "01",
        "population": Population.ANY,
        "needs_bed": False,
        "status": ReferralStatus.ROUTED,
        "requested_at": LATE,
        "due_at": now() + timedelta(hours=1),
    }
    kept: Referral = stored(session, Referral(**{**values, **changes}))
    return kept.id


def delivery(session: Session, endpoint_id: UUID, referral_id: UUID, organization_id: UUID, **changes: Any) -> None:
    message = stored(
        session,
        Message(
            referral_id=referral_id,
            organization_id=organization_id,
            type=MessageType.REFERRAL_REQUESTED,
            payload={},
            correlation_id="test",
        ),
    )
    values = {"endpoint_id": endpoint_id, "message_id": message.id, "referral_id": referral_id, "due_at": LATE}
    stored(session, Delivery(**{**values, **changes}))


def test_where_nothing_is_late_nothing_is_counted(house: House) -> None:
    with house.session("referral") as session:
        partner = organization(session)
        client, receiver = referral(session, partner), endpoint(session, partner)
        delivery(session, receiver, client, partner, due_at=now())
        delivery(session, receiver, referral(session, partner), partner, status=DeliveryStatus.DELIVERED)
        session.commit()

    assert set(figures(house).values()) == {0.0}


def test_a_message_is_overdue_when_it_is_due_and_nobody_sends_it(house: House) -> None:
    in_hand = {"lease_token": new_id(), "leased_until": now() + timedelta(minutes=1)}
    with house.session("referral") as session:
        partner, closed = organization(session), organization(session, active=False)
        client, receiver = referral(session, partner), endpoint(session, partner)
        delivery(session, receiver, client, partner)
        delivery(session, receiver, client, partner)  # Waits for the one before it, as it must.
        delivery(session, receiver, referral(session, partner), partner, **in_hand)
        given_up = endpoint(session, partner, active=False, disabled_reason=DisabledReason.GONE)
        delivery(session, given_up, client, partner)
        delivery(session, endpoint(session, closed), referral(session, closed), closed)
        session.commit()

    assert figures(house)["baoho_deliveries_overdue"] == 1


def test_endpoints_are_counted_that_fail_and_that_were_given_up_but_not_those_taken_away(house: House) -> None:
    with house.session("referral") as session:
        partner = organization(session)
        endpoint(session, partner, failing_since=LATE)
        for reason in DisabledReason:
            endpoint(session, partner, active=False, disabled_reason=reason, failing_since=LATE)
        session.commit()

    counted = figures(house)
    assert (counted["baoho_endpoints_failing"], counted["baoho_endpoints_disabled"]) == (1, 2)


def test_a_referral_is_late_while_its_partner_owes_an_answer(house: House) -> None:
    with house.session("referral") as session:
        partner = organization(session)
        referral(session, partner, due_at=LATE)
        referral(session, partner, due_at=LATE, status=ReferralStatus.ACCEPTED)
        session.commit()

    assert figures(house)["baoho_referrals_overdue"] == 1


def test_no_figure_names_a_partner(house: House) -> None:
    with house.session("referral") as session:
        endpoint(session, organization(session), failing_since=LATE)
        session.commit()

    told = house.client("referral").get("/referral/metrics").text

    assert "partner.example" not in told
    assert "Một đối tác" not in told
