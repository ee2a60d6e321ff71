"""What those begin at who act for nobody: handlers on the news of others, and the keeper of keys. No principal narrows it."""

from typing import Any
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from services.intake.models import CaseContract, CaseFile, LinkState, Partner, Person, Referral
from shared.contracts.hotline import HotlineCaseHandedOver
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
from shared.contracts.registry import ContractLinked, ContractNotFound

ReferralNews = (
    ReferralRouted
    | ReferralUnroutable
    | ReferralAccepted
    | ReferralDeclined
    | ReferralCompleted
    | ReferralCancelled
    | BedReleased
)


def hotline_case_for(event: HotlineCaseHandedOver) -> SelectOfScalar[CaseFile]:
    """Return the case that was opened for a handed-over one, if it was."""
    return select(CaseFile).where(CaseFile.hotline_case_id == event.hotline_case_id)


def handed_over_case_for(params: dict[str, str]) -> SelectOfScalar[CaseFile]:
    """Return the case whose hand-over was asked for."""
    return select(CaseFile).where(CaseFile.hotline_case_id == UUID(params["hotline_case_id"]))


def linked_case_for(params: dict[str, str]) -> SelectOfScalar[CaseFile]:
    """Return the case whose contract was asked for."""
    return select(CaseFile).where(CaseFile.id == UUID(params["case_id"]))


def person_for(case: CaseFile) -> SelectOfScalar[Person]:
    """Return whom a case is about."""
    return select(Person).where(Person.id == case.person_id)


def contract_for(case: CaseFile) -> SelectOfScalar[CaseContract]:
    """Return the contract that was read for a case, if one was."""
    return select(CaseContract).where(CaseContract.case_id == case.id)


def waits_for_contract() -> tuple[Any, ...]:
    """Return the conditions that the registry may still be asked for a case's contract: its person can be named."""
    erased = select(Person.id).where(col(Person.erased_at).is_not(None))
    waiting = col(CaseFile.link_state).in_((LinkState.REQUESTED, LinkState.NOT_FOUND))
    return waiting, col(CaseFile.person_id).not_in(erased)


def cases_asked_otherwise(key_id: str) -> SelectOfScalar[CaseFile]:
    """Return the waiting cases that the registry was asked for under another link key than this one, in order."""
    otherwise = col(CaseFile.asked_under).is_distinct_from(key_id)
    return select(CaseFile).where(*waits_for_contract(), otherwise).order_by(col(CaseFile.id))


def case_for(event: ContractLinked | ContractNotFound | ReferralNews) -> SelectOfScalar[CaseFile]:
    """Return the case that news is about."""
    return select(CaseFile).where(CaseFile.id == event.case_id)


def referral_for(event: ReferralNews) -> SelectOfScalar[Referral]:
    """Return the referral that news is about."""
    return select(Referral).where(Referral.id == event.referral_id, Referral.case_id == event.case_id)


def partner_for(event: OrganizationListed) -> SelectOfScalar[Partner]:
    """Return the partner that the directory speaks of."""
    return select(Partner).where(Partner.id == event.organization_id)
