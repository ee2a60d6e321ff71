"""What partners do with referrals: read them, take them on with a bed where one is needed, decline, complete."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from sqlmodel import Session, col

from services.referral import access, rules
from services.referral.access import CanAnswer, CanReadReferrals
from services.referral.actions import disclosure_url_of, release_beds, tell_of_beds, touch
from services.referral.models import BedHold, Referral, ReferralStatus
from services.referral.schemas import Decline, ReferralRead
from shared.access import locked, one
from shared.auth import Principal
from shared.clock import now
from shared.contracts.referral import ReferralAccepted, ReferralCompleted, ReferralDeclined
from shared.edge import SessionDep, router
from shared.outbox import publish
from shared.paging import SEVERAL, Page, Paging

api = router("/referral/v1")
StatusFilter = Annotated[list[ReferralStatus] | None, SEVERAL, Query()]


@api.get("/referrals")
def list_referrals(
    reader: CanReadReferrals, session: SessionDep, paging: Paging, status: StatusFilter = None
) -> Page[ReferralRead]:
    """List the referrals to the caller's own organisation, newest first; `status=routed,accepted` filters."""
    referrals = access.visible_referrals(reader)
    if status is not None:
        referrals = referrals.where(col(Referral.status).in_(status))
    rows, following = paging.rows(session, referrals, Referral.seq)
    return Page(items=[_shown(session, row) for row in rows], next=following)


@api.get("/referrals/{referral_id}")
def read_referral(referral_id: UUID, reader: CanReadReferrals, session: SessionDep) -> ReferralRead:
    """Read one referral; who the client is stands where `disclosure_url` points, for as long as she consents."""
    return _shown(session, one(session, access.visible_referrals(reader).where(Referral.id == referral_id)))


@api.post("/referrals/{referral_id}/accept")
def accept_referral(referral_id: UUID, partner: CanAnswer, session: SessionDep) -> ReferralRead:
    """Take the referral on, and with it a bed where one is needed: of the client's population, else one for anybody."""
    referral = locked(session, access.visible_referrals(partner).where(Referral.id == referral_id))
    rules.advance(referral, ReferralStatus.ACCEPTED)
    _note_answer(referral, partner)
    if referral.needs_bed:
        _hold_bed(session, referral)
    accepted = ReferralAccepted(
        referral_id=referral.id,
        case_id=referral.case_id,
        organization_id=referral.organization_id,
        bed_held=referral.needs_bed,
    )
    publish(session, referral, accepted)
    return _shown(session, referral)


@api.post("/referrals/{referral_id}/decline")
def decline_referral(referral_id: UUID, body: Decline, partner: CanAnswer, session: SessionDep) -> ReferralRead:
    """Say that the organisation cannot help, and why, in a code."""
    referral = locked(session, access.visible_referrals(partner).where(Referral.id == referral_id))
    rules.advance(referral, ReferralStatus.DECLINED, body.reason.value)
    _note_answer(referral, partner)
    declined = ReferralDeclined(referral_id=referral.id, case_id=referral.case_id, reason=body.reason)
    publish(session, referral, declined)
    return _shown(session, referral)


@api.post("/referrals/{referral_id}/complete")
def complete_referral(referral_id: UUID, partner: CanAnswer, session: SessionDep) -> ReferralRead:
    """Say that what was asked for is done; a bed that was held is free again."""
    referral = locked(session, access.visible_referrals(partner).where(Referral.id == referral_id))
    rules.advance(referral, ReferralStatus.COMPLETED)
    released = release_beds(session, [referral])
    publish(session, referral, ReferralCompleted(referral_id=referral.id, case_id=referral.case_id))
    tell_of_beds(session, referral, released)
    return _shown(session, referral)


def _note_answer(referral: Referral, partner: Principal) -> None:
    referral.answered_at, referral.answered_by = now(), partner.subject


def _hold_bed(session: Session, referral: Referral) -> None:
    """Hold one bed; the rows stay locked until the commit, so that the last bed goes to one referral only."""
    statement = access.beds_for(referral).with_for_update().execution_options(populate_existing=True)
    bed = rules.choose_bed(session.exec(statement).all(), referral.population)
    touch(bed)
    session.add(BedHold(referral_id=referral.id, capacity_id=bed.id, held_at=now()))


def _shown(session: Session, referral: Referral) -> ReferralRead:
    values = referral.model_dump(include=set(ReferralRead.model_fields) - {"disclosure_url"})
    return ReferralRead(**values, disclosure_url=disclosure_url_of(session, referral.id))
