"""How cases end: resolved by one, confirmed by the client before another, closed by a third; and how they go on."""

from uuid import UUID

from services.intake import access, rules
from services.intake.access import CanCloseCase, CanConfirmCase, CanResolveCase
from services.intake.actions import hold_person, tell
from services.intake.models import CaseFile, CaseStatus, Referral, Told
from services.intake.routes.cases import shown
from services.intake.schemas.cases import CaseRead, Confirmation, Resolution
from shared.access import locked, one
from shared.clock import now
from shared.contracts.intake import CaseClosed, CaseInCare, CaseReopened
from shared.edge import SessionDep, router
from shared.errors import PersonErased
from shared.money import plain
from shared.outbox import publish

api = router("/intake/v1")


@api.post("/cases/{case_id}/resolution")
def resolve_case(case_id: UUID, body: Resolution, officer: CanResolveCase, session: SessionDep) -> CaseRead:
    """Record what came of a case, with the money where there was any."""
    case = locked(session, access.visible_cases(officer).where(CaseFile.id == case_id))
    rules.resolve(case, body.outcome, body.compensation, officer.subject)
    tell(session, case, Told.CASE_RESOLVED, outcome=body.outcome)
    if body.compensation is not None:
        money = {"amount": plain(body.compensation.amount), "currency": body.compensation.currency}
        tell(session, case, Told.COMPENSATION_RECORDED, **money)
    return shown(session, officer, case.id)


@api.post("/cases/{case_id}/confirmations")
def confirm_outcome(case_id: UUID, body: Confirmation, officer: CanConfirmCase, session: SessionDep) -> CaseRead:
    """Record the client's own word on the outcome, taken by another than who resolved it; a no leads back into care."""
    case = locked(session, access.visible_cases(officer).where(CaseFile.id == case_id))
    rules.confirm(case, body.method, officer.subject, now(), satisfied=body.satisfied)
    told = Told.CLIENT_CONFIRMED if body.satisfied else Told.CLIENT_DISAGREED
    tell(session, case, told, method=body.method)
    if case.status is CaseStatus.IN_CARE:
        publish(session, case, CaseInCare(case_id=case.id, hotline_case_id=case.hotline_case_id))
    return shown(session, officer, case.id)


@api.post("/cases/{case_id}/close")
def close_case(case_id: UUID, supervisor: CanCloseCase, session: SessionDep) -> CaseRead:
    """End a confirmed case; referrals that still go on end with it, and what was disclosed for them is shut."""
    case = locked(session, access.visible_cases(supervisor).where(CaseFile.id == case_id))
    rules.close(case, supervisor.subject, now())
    going_on = access.visible_referrals(supervisor).where(*access.is_open_on(case.id))
    for referral_id in [referral.id for referral in session.exec(going_on)]:
        referral = locked(session, access.visible_referrals(supervisor).where(Referral.id == referral_id))
        tell(session, case, rules.end_with_case(referral), referral_id=str(referral.id), reason="case_closed")
    tell(session, case, Told.CASE_CLOSED, outcome=case.outcome)
    closed = CaseClosed(
        case_id=case.id, outcome=str(case.outcome), hotline_case_id=case.hotline_case_id, closed_at=case.closed_at
    )
    publish(session, case, closed)
    return shown(session, supervisor, case.id)


@api.post("/cases/{case_id}/reopen")
def reopen_case(case_id: UUID, supervisor: CanCloseCase, session: SessionDep) -> CaseRead:
    """Let a closed case go on; not when its person was erased, for nobody could be helped by it."""
    hold_person(session, one(session, access.visible_cases(supervisor).where(CaseFile.id == case_id)).person_id)
    case = locked(session, access.visible_cases(supervisor).where(CaseFile.id == case_id))
    rules.reopen(case)
    if session.exec(access.visible_person_of(supervisor, case.id)).one().erased_at is not None:
        raise PersonErased
    tell(session, case, Told.CASE_REOPENED)
    publish(session, case, CaseReopened(case_id=case.id, hotline_case_id=case.hotline_case_id))
    return shown(session, supervisor, case.id)
