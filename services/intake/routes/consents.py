"""The consent ledger: each purpose, service and receiver has a consent of its own, and each can be withdrawn at once."""

from uuid import UUID

from fastapi import status as http
from sqlmodel import Session

from services.intake import access, rules
from services.intake.access import CanReadCases, CanRecordConsent, CanWithdrawConsent
from services.intake.actions import tell
from services.intake.models import CaseFile, Consent, Partner, Referral, ReferralStatus, Told
from services.intake.schemas.consents import ConsentCreate, ConsentRead, Withdrawal, WithdrawnConsent
from shared.access import locked, one
from shared.auth import Principal
from shared.clock import now
from shared.contracts.intake import ConsentWithdrawn
from shared.edge import SessionDep, router
from shared.errors import InvalidInput
from shared.outbox import publish
from shared.paging import Page, Paging

WITHDRAWN = "consent_withdrawn"

api = router("/intake/v1")


@api.post("/cases/{case_id}/consents", status_code=http.HTTP_201_CREATED)
def record_consent(case_id: UUID, body: ConsentCreate, officer: CanRecordConsent, session: SessionDep) -> ConsentRead:
    """Record a client's yes as it was explained to her; refusing one never stops another service."""
    case = locked(session, access.visible_cases(officer).where(CaseFile.id == case_id))
    rules.refuse_closed(case)
    if body.organization_id is not None:
        refuse_unknown_partner(session, officer, body.organization_id)
    consent = Consent(
        case_id=case.id, person_id=case.person_id, explained_by=officer.subject, **body.model_dump(mode="python")
    )
    session.add(consent)
    given = {"consent_id": str(consent.id), "purpose": consent.purpose, "service_type": consent.service_type}
    tell(session, case, Told.CONSENT_GIVEN, **given, fields=consent.fields)
    session.flush()
    return ConsentRead.model_validate(consent)


@api.get("/cases/{case_id}/consents")
def list_consents(case_id: UUID, reader: CanReadCases, session: SessionDep, paging: Paging) -> Page[ConsentRead]:
    """List every consent of a case, newest first, the withdrawn ones too."""
    one(session, access.visible_cases(reader).where(CaseFile.id == case_id))
    consents = access.visible_consents(reader).where(Consent.case_id == case_id)
    return paging.page(session, consents, Consent.seq, ConsentRead)


@api.post("/consents/{consent_id}/withdraw")
def withdraw_consent(
    consent_id: UUID, officer: CanWithdrawConsent, session: SessionDep, body: Withdrawal | None = None
) -> WithdrawnConsent:
    """End a consent: from the commit on its receiver reads nothing, and the referrals that stood on it are cancelled.

    The case is locked before the consent, as a referral's request locks it: none can slip in between.
    """
    case = locked(session, access.visible_case_of_consent(officer, consent_id))
    consent = locked(session, access.visible_consents(officer).where(Consent.id == consent_id))
    rules.withdraw(consent, now(), body.reason if body else None)
    ended = _cancel_referrals(session, officer, consent)
    tell(session, case, Told.CONSENT_WITHDRAWN, consent_id=str(consent.id), reason=consent.withdrawn_why)
    for referral_id in ended:
        tell(session, case, Told.REFERRAL_CANCELLED, referral_id=str(referral_id), reason=WITHDRAWN)
    publish(session, case, ConsentWithdrawn(case_id=case.id, consent_id=consent.id, referral_ids=ended))
    return WithdrawnConsent(**ConsentRead.model_validate(consent).model_dump(), cancelled_referrals=ended)


def refuse_unknown_partner(session: Session, officer: Principal, organization_id: UUID) -> None:
    """Raise `InvalidInput` unless the organisation may receive clients."""
    partners = access.visible_partners(officer).where(Partner.id == organization_id)
    if session.exec(partners).first() is None:
        raise InvalidInput.at(
            "/organization_id",
            "unknown",
            "một đối tác đang hoạt động của danh bạ",
            "an active partner of the directory",
        )


def _cancel_referrals(session: Session, officer: Principal, consent: Consent) -> list[UUID]:
    going_on = access.visible_referrals(officer).where(*access.is_open_on(consent.case_id, consent.id))
    ids = [referral.id for referral in session.exec(going_on)]
    for referral_id in ids:
        referral = locked(session, access.visible_referrals(officer).where(Referral.id == referral_id))
        rules.step(referral, ReferralStatus.CANCELLED, reason=WITHDRAWN)
    return ids
