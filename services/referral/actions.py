"""What routes, handlers and the dispatcher share: letting go of beds, telling a partner, and what we sign with."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlmodel import Session

from services.referral import access
from services.referral.models import Capacity, Delivery, Message, MessageType, Referral
from shared.clock import now
from shared.contracts.referral import BedReleased
from shared.crypto import Vault
from shared.outbox import publish
from shared.runtime import act_of, runtime_of
from shared.telemetry import traceparent
from shared.webhooks import AsymmetricKey, SymmetricKey

ENDPOINT_SECRET = "endpoint-secret"  # noqa: S105 - a purpose, no secret
"""What the secret of an endpoint is sealed for."""


def url_of(session: Session, referral_id: UUID) -> str:
    """Return where a referral is read."""
    return f"{runtime_of(session).settings.public_url}/referral/v1/referrals/{referral_id}"


def disclosure_url_of(session: Session, referral_id: UUID) -> str:
    """Return where its partner reads what the client consented to; intake asks for that consent at each reading."""
    return f"{runtime_of(session).settings.public_url}/intake/v1/disclosures/{referral_id}"


def release_beds(session: Session, referrals: Sequence[Referral]) -> frozenset[UUID]:
    """Free the beds of locked referrals; return the ids of those that had one."""
    ids = [referral.id for referral in referrals]
    statement = access.beds_held_for(ids).with_for_update().execution_options(populate_existing=True)
    beds = {bed.id: bed for bed in session.exec(statement)}
    holds = session.exec(access.holds_of(ids)).all()
    for hold in holds:
        hold.released_at = now()
        bed = beds[hold.capacity_id]
        bed.held -= 1
        touch(bed)
    return frozenset(hold.referral_id for hold in holds)


def touch(bed: Capacity) -> None:
    """Move the version of a locked row on, as its other changes do."""
    bed.version += 1
    bed.updated_at = now()


def tell_of_beds(session: Session, referral: Referral, released: frozenset[UUID]) -> None:
    """Publish that the bed of a referral is free, if it was among those released."""
    if referral.id in released:
        publish(session, referral, BedReleased(referral_id=referral.id, case_id=referral.case_id))


def tell(session: Session, referral: Referral, kind: MessageType) -> None:
    """Leave a message about a locked referral for each endpoint of its organisation, in the transaction of the change."""
    message = Message(
        referral_id=referral.id,
        organization_id=referral.organization_id,
        type=kind,
        payload={
            "referral_id": str(referral.id),
            "url": url_of(session, referral.id),
            "disclosure_url": disclosure_url_of(session, referral.id),
        },
        correlation_id=act_of(session).correlation_id,
        traceparent=traceparent(),
    )
    session.add(message)
    session.flush()
    for endpoint in session.exec(access.endpoints_of(referral.organization_id)):
        session.add(Delivery(endpoint_id=endpoint.id, message_id=message.id, referral_id=referral.id))


def our_keys(vault: Vault) -> Mapping[str, AsymmetricKey]:
    """Return our ed25519 keys by the id of the service key each is derived from, the newest first."""
    return {key_id: AsymmetricKey(vault.derived("webhook-signing", key_id)) for key_id in vault.service_keys}


def seal_secret(vault: Vault, endpoint_id: UUID, secret: str) -> bytes:
    """Seal the secret shared with an endpoint; it opens for that endpoint only."""
    return vault.encrypt(ENDPOINT_SECRET, secret.encode(), endpoint_id.bytes)


def open_secret(vault: Vault, endpoint_id: UUID, sealed: bytes) -> SymmetricKey:
    """Return the key behind a sealed secret; raise `InvalidTag` if it was altered or is another endpoint's."""
    return SymmetricKey.load(vault.decrypt(ENDPOINT_SECRET, sealed, endpoint_id.bytes).decode())
