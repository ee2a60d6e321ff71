"""Consents and their withdrawal."""

from datetime import date, datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from services.intake.models import ConsentMethod, Purpose, SharedField, WithdrawalReason
from shared.clock import today
from shared.contracts.referral import ServiceType
from shared.schema import Input, LanguageCode, Output
from shared.validation import ExpectedError


def _future(day: date) -> date:
    if day <= today():
        raise ExpectedError("một ngày sau hôm nay", "a day after today")
    return day


def _each_once(fields: list[SharedField]) -> list[SharedField]:
    if len(set(fields)) != len(fields):
        raise ExpectedError("mỗi trường một lần", "each field once")
    return fields


class ConsentCreate(Input):
    """A yes to one purpose: a referral's names one service of one receiver and what it may learn; reporting's names neither."""

    purpose: Purpose
    organization_id: UUID | None = None
    service_type: ServiceType | None = None
    fields: Annotated[list[SharedField], AfterValidator(_each_once)] = Field(
        default_factory=list, max_length=len(SharedField)
    )
    language: LanguageCode
    text_version: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    method: ConsentMethod
    expires_on: Annotated[date, AfterValidator(_future)] | None = None

    @model_validator(mode="after")
    def _is_not_bundled(self) -> Self:
        named = (self.organization_id is not None, self.service_type is not None, bool(self.fields))
        if self.purpose is Purpose.REFERRAL and not all(named):
            raise ExpectedError(
                "organization_id, service_type và fields của việc chuyển gửi",
                "the referral's organization_id, service_type and fields",
            )
        if self.purpose is not Purpose.REFERRAL and any(named):
            raise ExpectedError(
                "không có organization_id, service_type, fields: báo cáo không nêu danh tính",
                "no organization_id, service_type, fields: the report names nobody",
            )
        return self


class Withdrawal(Input):
    """Why, if the client says."""

    reason: WithdrawalReason | None = None


class ConsentRead(Output):
    """A consent as the ledger holds it."""

    id: UUID
    case_id: UUID
    purpose: Purpose
    organization_id: UUID | None
    service_type: ServiceType | None
    fields: list[SharedField]
    language: str
    text_version: str
    method: ConsentMethod
    explained_by: str
    given_at: datetime
    expires_on: date | None
    withdrawn_at: datetime | None
    withdrawn_why: WithdrawalReason | None
    version: int


class WithdrawnConsent(ConsentRead):
    """A withdrawn consent, and the referrals that ended with it."""

    cancelled_referrals: list[UUID]
