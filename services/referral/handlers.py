"""What referral does when intake asks for a partner's help, a client withdraws a consent, or a case ends."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Session, col
from sqlmodel.sql.expression import SelectOfScalar

from services.referral import access, rules
from services.referral.actions import release_beds, tell, tell_of_beds
from services.referral.models import (
    Ended,
    MessageType,
    Organization,
    Priority,
    Referral,
    ReferralStatus,
    Service,
    Tombstone,
)
from shared.access import locked, store
from shared.chain.witness import witnessed_by
from shared.clock import now
from shared.concurrency import take_turn
from shared.contracts.intake import CaseClosed, ConsentWithdrawn, ReferralRequested
from shared.contracts.referral import (
    Population,
    ReferralCancelled,
    ReferralCompleted,
    ReferralRouted,
    ReferralUnroutable,
    ServiceType,
)
from shared.events import Handlers
from shared.outbox import publish

CONSENT_WITHDRAWN = "consent_withdrawn"
CASE_CLOSED = "case_closed"


def route_referral(session: Session, event: ReferralRequested) -> None:
    """Route it to the service of the chosen organisation that fits best; what ended before it came is born cancelled."""
    _take_turn(session, event.case_id)
    if session.exec(access.referral_for(event)).first() is not None:
        return
    referral = store(session, _requested(event))
    ended = session.exec(access.tombstones_for(event)).first()
    if ended is not None:
        _cancel(session, referral, ended.reason)
        return
    organization = session.exec(access.organization_for(event)).first()
    service = _best_service(session, event, referral)
    if organization is not None and organization.active and service is not None:
        _route(session, referral, service)
    else:
        _give_up(session, referral, _obstacle(organization))


def end_with_consent(session: Session, event: ConsentWithdrawn) -> None:
    """Cancel what stood on a withdrawn consent, also what we have not heard of yet."""
    _take_turn(session, event.case_id)
    for referral_id in event.referral_ids:
        _bury(session, Ended.REFERRAL, referral_id, CONSENT_WITHDRAWN, now())
    referrals = _lock_open(session, access.referrals_for(event))
    released = release_beds(session, referrals)
    for referral in referrals:
        _cancel(session, referral, CONSENT_WITHDRAWN, MessageType.REFERRAL_CANCELLED)
        tell_of_beds(session, referral, released)


def end_with_case(session: Session, event: CaseClosed) -> None:
    """End what a closed case still had open: what was accepted is completed, what was not answered is cancelled."""
    _take_turn(session, event.case_id)
    closed_at = event.closed_at or now()
    _bury(session, Ended.CASE, event.case_id, CASE_CLOSED, closed_at)
    # What was asked for later belongs to the case as it was reopened, whose news may overtake this.
    asked_before = access.referrals_for(event).where(col(Referral.requested_at) <= closed_at)
    referrals = _lock_open(session, asked_before)
    released = release_beds(session, referrals)
    for referral in referrals:
        if referral.status is ReferralStatus.ACCEPTED:
            _complete(session, referral)
        else:
            _cancel(session, referral, CASE_CLOSED, MessageType.REFERRAL_CLOSED)
        tell_of_beds(session, referral, released)


def _take_turn(session: Session, case_id: UUID) -> None:
    """Let the news of one case be handled one after the other: each looks for what the other leaves."""
    take_turn(session, "case", str(case_id))


def _requested(event: ReferralRequested) -> Referral:
    priority = Priority(event.priority)
    return Referral(
        id=event.referral_id,
        case_id=event.case_id,
        organization_id=event.organization_id,
        service_type=ServiceType(event.service_type),
        priority=priority,
        province=event.province,
        population=Population(event.population),
        needs_bed=event.needs_bed,
        requested_at=event.requested_at,
        due_at=rules.due_at(priority, event.requested_at),
    )


def _best_service(session: Session, event: ReferralRequested, referral: Referral) -> Service | None:
    services = session.exec(access.services_for(event)).all()
    capacities = session.exec(access.capacities_for(event)).all()
    return rules.best_service(referral, services, capacities, now())


def _obstacle(organization: Organization | None) -> str:
    if organization is None:
        return "organization_unknown"
    return "no_service_fits" if organization.active else "organization_inactive"


def _route(session: Session, referral: Referral, service: Service) -> None:
    rules.advance(referral, ReferralStatus.ROUTED)
    referral.service_id = service.id
    tell(session, referral, MessageType.REFERRAL_REQUESTED)
    routed = ReferralRouted(referral_id=referral.id, case_id=referral.case_id, service_id=service.id)
    publish(session, referral, routed)


def _give_up(session: Session, referral: Referral, reason: str) -> None:
    rules.advance(referral, ReferralStatus.UNROUTABLE, reason)
    publish(session, referral, ReferralUnroutable(referral_id=referral.id, case_id=referral.case_id, reason=reason))


def _cancel(session: Session, referral: Referral, reason: str, kind: MessageType | None = None) -> None:
    """Cancel it; a partner that never knew of it is told nothing."""
    rules.advance(referral, ReferralStatus.CANCELLED, reason)
    if kind is not None:
        tell(session, referral, kind)
    publish(session, referral, ReferralCancelled(referral_id=referral.id, case_id=referral.case_id, reason=reason))


def _complete(session: Session, referral: Referral) -> None:
    rules.advance(referral, ReferralStatus.COMPLETED, CASE_CLOSED)
    tell(session, referral, MessageType.REFERRAL_CLOSED)
    publish(session, referral, ReferralCompleted(referral_id=referral.id, case_id=referral.case_id))


def _lock_open(session: Session, referrals: SelectOfScalar[Referral]) -> list[Referral]:
    """Lock what can still end; an answer that came first may have ended it meanwhile."""
    open_ids = [referral.id for referral in session.exec(referrals).all() if rules.is_open(referral)]
    rows = [locked(session, referrals.where(col(Referral.id) == each)) for each in open_ids]
    return [row for row in rows if rules.is_open(row)]


def _bury(session: Session, ended: Ended, subject_id: UUID, reason: str, ended_at: datetime) -> None:
    """Leave a tombstone, so that a request that comes late is not brought to life."""
    tombstone = session.exec(access.tombstone_of(ended, subject_id)).first()
    if tombstone is None:
        store(session, Tombstone(ended=ended, subject_id=subject_id, reason=reason, ended_at=ended_at))
    else:
        tombstone.ended_at = max(tombstone.ended_at, ended_at)


HANDLERS: Handlers = {
    **witnessed_by("referral"),
    ReferralRequested: route_referral,
    ConsentWithdrawn: end_with_consent,
    CaseClosed: end_with_case,
}
