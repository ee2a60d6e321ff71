"""Contracts and fees as the tests of charges need them."""

from datetime import date
from decimal import Decimal
from typing import Any

from shared.law.fees import ContractFacts, CostItem, CostKind, JobCode

MILLION = Decimal(1_000_000)
SIGNED = date(2025, 3, 1)
RATE = {"rate": Decimal(800), "rate_on": date(2025, 3, 1), "rate_source": "State Bank of Viet Nam"}


def a_contract(**changes: Any) -> ContractFacts:
    facts: dict[str, Any] = {
        "market": "JP",
        "job": JobCode.OTHER,
        "monthly_wage": 20 * MILLION,
        "currency": "VND",
        "months": 12,
        "sending_contract_signed_on": SIGNED,
        "supply_contract_approved_on": date(2025, 2, 1),
    }
    return ContractFacts(**(facts | changes))


def a_fee(amount: Decimal, currency: str = "VND", paid_on: date | None = date(2025, 3, 2)) -> CostItem:
    return CostItem(CostKind.SERVICE_FEE, amount, currency, paid_on)
