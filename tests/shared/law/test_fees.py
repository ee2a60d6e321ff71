"""Every charge is judged by its kind: service fees by sum and day, brokerage by its mere existence, others not at all."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.law.fees import ContractFacts, CostItem, CostKind, JobCode, assess
from shared.law.findings import Outcome
from tests.shared.law.contracts import MILLION, RATE, a_contract, a_fee


def test_all_service_fees_of_a_contract_count_together_and_nothing_else_does() -> None:
    items = [a_fee(15 * MILLION), a_fee(6 * MILLION), CostItem(CostKind.LANGUAGE_TRAINING, 50 * MILLION, "VND")]

    findings = assess(a_contract(), items)

    assert findings[0].numbers["charged"] == "21000000"
    assert [finding.code for finding in findings] == ["over_ceiling", "fee_day_allowed", "fee_day_allowed"]


@pytest.mark.parametrize("kind", [kind for kind in CostKind if kind not in {CostKind.SERVICE_FEE, CostKind.BROKERAGE}])
def test_other_costs_are_not_judged(kind: CostKind) -> None:
    findings = assess(a_contract(), [CostItem(kind, 500 * MILLION, "VND", date(2020, 1, 1))])

    assert [finding.outcome for finding in findings] == [Outcome.INFORMATION]


@pytest.mark.parametrize("amount", [Decimal("0.01"), Decimal(1), 100 * MILLION])
def test_brokerage_of_any_amount_is_indicated(amount: Decimal) -> None:
    findings = assess(a_contract(), [CostItem(CostKind.BROKERAGE, amount, "USD")])

    brokerage = findings[-1]
    assert (brokerage.code, brokerage.outcome) == ("brokerage_charged", Outcome.VIOLATION_INDICATED)
    assert brokerage.citation is not None
    assert (brokerage.citation.article, brokerage.citation.clause) == ("7", "8")
    assert brokerage.confirmed


def test_brokerage_of_nothing_is_no_charge() -> None:
    findings = assess(a_contract(), [CostItem(CostKind.BROKERAGE, Decimal(0), "VND")])

    assert [finding.code for finding in findings] == ["within_ceiling"]


@pytest.mark.parametrize(
    ("signed", "paid", "code"),
    [
        (date(2022, 1, 1), None, "brokerage_charged"),
        (date(2021, 12, 31), date(2022, 6, 1), "brokerage_not_judged"),
        (None, date(2022, 6, 1), "brokerage_charged"),
        (None, None, "brokerage_not_judged"),
    ],
)
def test_the_day_of_signature_selects_the_ban_and_the_day_of_payment_where_nothing_was_signed(
    signed: date | None, paid: date | None, code: str
) -> None:
    item = CostItem(CostKind.BROKERAGE, MILLION, "VND", paid)

    finding = assess(a_contract(sending_contract_signed_on=signed), [item])[-1]

    assert finding.code == code


@pytest.mark.parametrize(
    ("approved", "paid", "code", "outcome"),
    [
        (date(2025, 2, 1), date(2025, 2, 28), "fee_before_allowed", Outcome.VIOLATION_INDICATED),
        (date(2025, 2, 1), date(2025, 3, 1), "fee_day_allowed", Outcome.INFORMATION),
        (date(2025, 4, 1), date(2025, 3, 2), "fee_before_allowed", Outcome.VIOLATION_INDICATED),
        (None, date(2025, 2, 28), "fee_before_allowed", Outcome.VIOLATION_INDICATED),
        (None, date(2025, 3, 2), "fee_day_not_judged", Outcome.NEEDS_REVIEW),
        (date(2025, 2, 1), None, "fee_day_not_judged", Outcome.NEEDS_REVIEW),
    ],
)
def test_a_fee_may_be_taken_only_after_approval_and_signature(
    approved: date | None, paid: date | None, code: str, outcome: Outcome
) -> None:
    finding = assess(a_contract(supply_contract_approved_on=approved), [a_fee(MILLION, paid_on=paid)])[1]

    assert (finding.code, finding.outcome) == (code, outcome)
    assert finding.citation is not None
    assert (finding.citation.article, finding.citation.clause) == ("23", "2c")


def test_an_early_fee_names_the_first_day_it_was_allowed() -> None:
    facts = a_contract(supply_contract_approved_on=date(2025, 4, 1))

    finding = assess(facts, [a_fee(MILLION, paid_on=date(2025, 3, 2))])[1]

    assert finding.numbers["allowed_from"] == "2025-04-01"
    assert finding.numbers["paid_on"] == "2025-03-02"


def test_a_fee_without_any_day_cites_no_rule() -> None:
    facts = a_contract(sending_contract_signed_on=None, supply_contract_approved_on=None)

    finding = assess(facts, [a_fee(MILLION, paid_on=None)])[1]

    assert (finding.code, finding.citation) == ("fee_day_not_judged", None)


@pytest.mark.parametrize("amount", [Decimal(-1), Decimal("NaN"), Decimal("Infinity"), Decimal(10**16)])
def test_what_is_no_amount_is_refused(amount: Decimal) -> None:
    with pytest.raises(ValueError, match="amount"):
        a_fee(amount)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"market": "jp"}, "market"),
        ({"monthly_wage": Decimal(0)}, "wage"),
        ({"monthly_wage": Decimal("NaN")}, "wage"),
        ({"months": 0}, "term"),
        ({"rate": Decimal(0)}, "rate"),
        ({"rate": Decimal(10**6)}, "rate"),
    ],
)
def test_facts_that_cannot_be_are_refused(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        a_contract(**changes)


MONEY = st.decimals(min_value=0, max_value=Decimal(9999999999999999), places=4, allow_nan=False)


CONTRACTS = st.builds(
    a_contract,
    market=st.sampled_from(["JP", "TW", "KR", "SA", "MY", "AU", "DE"]),
    job=st.sampled_from(JobCode),
    months=st.integers(1, 120),
    extension=st.booleans(),
    sending_contract_signed_on=st.dates(date(2020, 1, 1), date(2030, 1, 1)) | st.none(),
    currency=st.just("TWD"),
    monthly_wage=MONEY.filter(bool),
    **{name: st.just(value) for name, value in RATE.items()},
)
ITEMS = st.builds(CostItem, st.sampled_from(CostKind), MONEY, st.sampled_from(["VND", "TWD", "USD"]))


@settings(max_examples=150, deadline=None)
@given(CONTRACTS, st.lists(ITEMS, max_size=6))
def test_every_contract_gets_findings_that_hold_together(facts: ContractFacts, items: list[CostItem]) -> None:
    findings = assess(facts, items)

    for finding in findings:
        assert "{" not in finding.vi + finding.en
        assert finding.outcome is not Outcome.VIOLATION_INDICATED or finding.citation is not None
    if findings[0].code == "over_ceiling":
        numbers = {name: Decimal(findings[0].numbers[name]) for name in ("charged", "ceiling", "over_by")}
        assert numbers["over_by"] == numbers["charged"] - numbers["ceiling"] > 0
