"""What intake does on the news of others: hand-overs, contracts, partners, and what becomes of referrals."""

from sqlmodel import Session

from services.intake import rules
from services.intake.access import news
from services.intake.access.news import ReferralNews
from services.intake.actions import NARRATIVE, ask_for_contract, hold_person, take_down, tell
from services.intake.models import CaseContract, CaseFile, Channel, Partner, Person, Priority, ReferralStatus, Told
from shared import codes
from shared.access import locked, one, store
from shared.chain.witness import witnessed_by
from shared.clock import local_date, today
from shared.concurrency import take_turn
from shared.contracts.hotline import HandOverDetails, HotlineCaseHandedOver
from shared.contracts.intake import CaseInCare, CaseOpened, ViolationAlleged
from shared.contracts.referral import (
    BedReleased,
    OrganizationListed,
    ReferralAccepted,
    ReferralCancelled,
    ReferralCompleted,
    ReferralDeclined,
    ReferralRouted,
    ReferralUnroutable,
)
from shared.contracts.registry import ContractDetails, ContractLinked, ContractNotFound
from shared.events import Handlers
from shared.fetch import Appliers, ask
from shared.law.findings import Outcome as Finds
from shared.outbox import publish
from shared.people import seal
from shared.person import StoredPerson


def open_handed_over_case(session: Session, event: HotlineCaseHandedOver) -> None:
    """Open a file at the office that was named, once; who it is about is fetched."""
    take_turn(session, "hotline case", str(event.hotline_case_id))
    if session.exec(news.hotline_case_for(event)).first() is not None:
        return
    office = codes.offices.get(event.office)
    person = Person(office=event.office, province=office.province if office else event.province)
    session.add(person)
    session.flush()
    case = store(
        session,
        CaseFile(
            person_id=person.id,
            office=person.office,
            province=person.province,
            channel=Channel.HOTLINE,
            hotline_case_id=event.hotline_case_id,
            country=event.country,
            language="vi",
            priority=Priority(event.priority),
            complaint_types=[],
            received_on=today(),
        ),
    )
    tell(session, case, Told.CASE_OPENED, channel=case.channel, hotline_case_id=str(event.hotline_case_id))
    ask(session, HandOverDetails, hotline_case_id=event.hotline_case_id)
    opening = CaseOpened(
        case_id=case.id, office=case.office, province=case.province, hotline_case_id=case.hotline_case_id
    )
    publish(session, case, opening)


def apply_hand_over(session: Session, details: HandOverDetails, params: dict[str, str]) -> None:
    """Take down who is in need and what happened; someone erased meanwhile stays erased."""
    hold_person(session, one(session, news.handed_over_case_for(params)).person_id)
    case = locked(session, news.handed_over_case_for(params))
    person = locked(session, news.person_for(case))
    if person.erased_at is not None:
        return
    known = StoredPerson.model_validate(details.model_dump())
    take_down(session, person, known)
    case.narrative = seal(session, person.id, NARRATIVE, details.narrative)
    case.complaint_types, case.language = details.complaint_types, details.language
    case.received_on = local_date(details.received_at)
    tell(session, case, Told.HAND_OVER_RECEIVED, complaint_types=case.complaint_types)
    ask_for_contract(session, case, known)


def link_contract(session: Session, event: ContractLinked) -> None:
    """Tie the case to the contract, and have what it says fetched."""
    case = locked(session, news.case_for(event))
    rules.link(case, event.contract_id, event.agency_id)
    ids = {"contract_id": str(event.contract_id), "agency_id": str(event.agency_id)}
    tell(session, case, Told.CONTRACT_LINKED, **ids)
    ask(session, ContractDetails, case_id=case.id)


def apply_contract(session: Session, details: ContractDetails, params: dict[str, str]) -> None:
    """Keep what the contract says as it was read, show each finding with its article, and tell what is alleged."""
    case = locked(session, news.linked_case_for(params))
    rules.link(case, details.contract_id, details.agency_id)
    contract = session.exec(news.contract_for(case)).one_or_none()
    snapshot = _snapshot(case, details)
    session.add(snapshot if contract is None else contract.sqlmodel_update(snapshot.model_dump(exclude={"id"})))
    tell(session, case, Told.CONTRACT_READ, market=details.market, job=details.job, months=details.months)
    for finding in details.findings:
        told = finding.model_dump(exclude={"vi", "en"})
        tell(session, case, Told.FINDING, **{"finding" if name == "code" else name: told[name] for name in told})
    _allege(session, case, details)


def note_contract_not_found(session: Session, event: ContractNotFound) -> None:
    """The registry has no contract of this person."""
    case = locked(session, news.case_for(event))
    if rules.link_failed(case):
        tell(session, case, Told.CONTRACT_NOT_FOUND)


def list_partner(session: Session, event: OrganizationListed) -> None:
    """Know a partner, and whether it may receive clients."""
    take_turn(session, "partner", str(event.organization_id))
    if session.exec(news.partner_for(event)).first() is None:
        store(session, Partner(id=event.organization_id, active=event.active))
    else:
        locked(session, news.partner_for(event)).active = event.active


def mark_routed(session: Session, event: ReferralRouted) -> None:
    """The referral waits for the partner's answer."""
    _note(session, event, ReferralStatus.ROUTED, Told.REFERRAL_ROUTED)


def mark_unroutable(session: Session, event: ReferralUnroutable) -> None:
    """The partner has no such service; the officer chooses another."""
    _note(session, event, ReferralStatus.UNROUTABLE, Told.REFERRAL_UNROUTABLE, reason=event.reason)


def mark_accepted(session: Session, event: ReferralAccepted) -> None:
    """A partner takes care of the client; the first one to do so brings the case into care."""
    case = _note(session, event, ReferralStatus.ACCEPTED, Told.REFERRAL_ACCEPTED, bed_held=event.bed_held)
    if case is None:
        return
    if event.bed_held:
        tell(session, case, Told.BED_HELD, referral_id=str(event.referral_id))
    _begin_care(session, case)


def mark_declined(session: Session, event: ReferralDeclined) -> None:
    """The partner cannot help."""
    _note(session, event, ReferralStatus.DECLINED, Told.REFERRAL_DECLINED, reason=event.reason)


def mark_completed(session: Session, event: ReferralCompleted) -> None:
    """The service was given; a case whose acceptance is still on its way was in care as well."""
    case = _note(session, event, ReferralStatus.COMPLETED, Told.REFERRAL_COMPLETED)
    if case is not None:
        _begin_care(session, case)


def mark_cancelled(session: Session, event: ReferralCancelled) -> None:
    """The referral ended without its service; mostly this confirms what began here."""
    _note(session, event, ReferralStatus.CANCELLED, Told.REFERRAL_CANCELLED, reason=event.reason)


def note_bed_released(session: Session, event: BedReleased) -> None:
    """The bed is someone else's to have."""
    case = locked(session, news.case_for(event))
    locked(session, news.referral_for(event)).bed_held = False
    tell(session, case, Told.BED_RELEASED, referral_id=str(event.referral_id))


def _note(
    session: Session,
    event: ReferralNews,
    to: ReferralStatus,
    told: Told,
    *,
    reason: str | None = None,
    bed_held: bool = False,
) -> CaseFile | None:
    """Take the referral's step and return its case, locked before the referral as everywhere; late news returns None."""
    case = locked(session, news.case_for(event))
    referral = locked(session, news.referral_for(event))
    if not rules.step(referral, to, reason=reason, bed_held=bed_held):
        return None
    more = {"reason": reason} if reason is not None else {}
    tell(session, case, told, referral_id=str(referral.id), service_type=referral.service_type, **more)
    return case


def _begin_care(session: Session, case: CaseFile) -> None:
    if rules.begin_care(case):
        tell(session, case, Told.CASE_IN_CARE)
        publish(session, case, CaseInCare(case_id=case.id, hotline_case_id=case.hotline_case_id))


def _snapshot(case: CaseFile, details: ContractDetails) -> CaseContract:
    plain = details.model_dump(mode="json", include={"costs", "findings"})
    return CaseContract(
        case_id=case.id,
        agency_name=details.agency_name,
        market=details.market,
        job=details.job,
        wage_amount=details.monthly_wage.amount,
        wage_currency=details.monthly_wage.currency,
        months=details.months,
        signed_on=details.signed_on,
        **plain,
    )


def _allege(session: Session, case: CaseFile, details: ContractDetails) -> None:
    """Only what indicates a violation is alleged; information and open questions stay in the file."""
    indicated = [finding for finding in details.findings if finding.outcome == Finds.VIOLATION_INDICATED]
    allegations = sorted({*case.complaint_types, *(finding.code for finding in indicated)})
    if allegations:
        alleged = ViolationAlleged(
            case_id=case.id,
            agency_id=details.agency_id,
            contract_id=details.contract_id,
            allegations=allegations,
            clauses=rules.clauses(case.complaint_types, [finding.clause for finding in indicated]),
        )
        publish(session, case, alleged)


HANDLERS: Handlers = {
    **witnessed_by("intake"),
    HotlineCaseHandedOver: open_handed_over_case,
    ContractLinked: link_contract,
    ContractNotFound: note_contract_not_found,
    OrganizationListed: list_partner,
    ReferralRouted: mark_routed,
    ReferralUnroutable: mark_unroutable,
    ReferralAccepted: mark_accepted,
    ReferralDeclined: mark_declined,
    ReferralCompleted: mark_completed,
    ReferralCancelled: mark_cancelled,
    BedReleased: note_bed_released,
}

APPLY: Appliers = {HandOverDetails: apply_hand_over, ContractDetails: apply_contract}
