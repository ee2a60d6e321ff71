"""Referrals asked for on a client's consent, and what their receiver may read of her while both stand."""

from typing import Any
from uuid import UUID

from fastapi import status as http
from sqlmodel import Session, col

from services.intake import access, rules
from services.intake.access import CanReadCases, CanReadDisclosures, CanRequestReferral
from services.intake.actions import NARRATIVE, opened, tell
from services.intake.models import CaseFile, Consent, Person, Referral, SharedField, Told
from services.intake.routes.consents import refuse_unknown_partner
from services.intake.schemas.referrals import DisclosureRead, ReferralCreate, ReferralRead
from shared.access import locked, one
from shared.audit import record_read
from shared.contracts.intake import ReferralRequested
from shared.edge import SessionDep, router
from shared.errors import Conflict, NotFound
from shared.outbox import publish
from shared.paging import Page, Paging
from shared.people import open_sealed
from shared.person import StoredPerson

api = router("/intake/v1")


@api.post("/cases/{case_id}/referrals", status_code=http.HTTP_201_CREATED)
def request_referral(
    case_id: UUID, body: ReferralCreate, officer: CanRequestReferral, session: SessionDep
) -> ReferralRead:
    """Ask a partner for a service; nothing leaves without the client's consent to this service of this receiver."""
    case = locked(session, access.visible_cases(officer).where(CaseFile.id == case_id))
    rules.refuse_closed(case)
    refuse_unknown_partner(session, officer, body.organization_id)
    given = access.is_given_for(case.id, body.organization_id, body.service_type)
    newest = access.visible_consents(officer).where(*given).order_by(col(Consent.seq).desc())
    consent = session.exec(newest).first()
    if consent is None:
        raise Conflict("no_consent")
    referral = Referral(case_id=case.id, consent_id=consent.id, **body.model_dump())
    session.add(referral)
    asked = {"referral_id": str(referral.id), "organization_id": str(referral.organization_id)}
    tell(session, case, Told.REFERRAL_REQUESTED, **asked, service_type=referral.service_type)
    publish(session, referral, _requested(case, referral))
    return ReferralRead.model_validate(referral)


@api.get("/cases/{case_id}/referrals")
def list_referrals(case_id: UUID, reader: CanReadCases, session: SessionDep, paging: Paging) -> Page[ReferralRead]:
    """List a case's referrals and how far they came, newest first."""
    one(session, access.visible_cases(reader).where(CaseFile.id == case_id))
    referrals = access.visible_referrals(reader).where(Referral.case_id == case_id)
    return paging.page(session, referrals, Referral.seq, ReferralRead)


@api.get("/disclosures/{referral_id}", response_model_exclude_unset=True)
def read_disclosure(referral_id: UUID, partner: CanReadDisclosures, session: SessionDep) -> DisclosureRead:
    """Read what a client agreed to share with this service, while consent and referral stand; the reading is recorded."""
    open_to = access.visible_disclosures(partner).where(Referral.id == referral_id)
    disclosed = session.exec(open_to).one_or_none()
    if disclosed is None:
        raise NotFound
    referral, consent, case, person = disclosed
    record_read(session, referral)
    known = _known(session, case, person)
    allowed = {field: known[field] for field in consent.fields}
    if SharedField.DOCUMENT_NUMBER in allowed:
        allowed["document"] = known["document"]
    return DisclosureRead(referral_id=referral.id, service_type=referral.service_type, fields=consent.fields, **allowed)


def _requested(case: CaseFile, referral: Referral) -> ReferralRequested:
    return ReferralRequested(
        referral_id=referral.id,
        case_id=case.id,
        organization_id=referral.organization_id,
        service_type=referral.service_type,
        priority=referral.priority,
        province=case.province,
        population=referral.population,
        needs_bed=referral.needs_bed,
        requested_at=referral.created_at,
    )


def _known(session: Session, case: CaseFile, person: Person) -> dict[str, Any]:
    """Return everything that could be shared, by the names of `SharedField`."""
    details = opened(session, person) or StoredPerson()
    return {
        **details.model_dump(),
        "language": case.language,
        "narrative": open_sealed(session, person.id, NARRATIVE, case.narrative),
        "complaint_types": case.complaint_types,
        "country": case.country,
    }
