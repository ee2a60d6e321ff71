"""What a worker was charged is compared with the law of the day the sending contract was signed."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.law.fees import ContractFacts, CostItem, CostKind, JobCode, assess, judge_ceiling
from shared.law.findings import Finding, Outcome

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


def ceiling(*fees: CostItem, **changes: Any) -> Finding:
    return judge_ceiling(a_contract(**changes), fees)


@pytest.mark.parametrize(
    ("facts", "most"),
    [
        ({"months": 12}, 20),
        ({"months": 24}, 40),
        ({"months": 36}, 60),
        ({"months": 60}, 60),
        ({"months": 12, "extension": True}, 10),
        ({"months": 36, "extension": True}, 30),
        ({"months": 12, "job": JobCode.TRANSPORT_CREW}, 30),
        ({"months": 36, "job": JobCode.TRANSPORT_CREW}, 60),
        ({"months": 36, "market": "TW", "job": JobCode.HOME_CARE, "monthly_wage": 17 * MILLION}, 17),
        ({"months": 24, "market": "TW", "job": JobCode.DOMESTIC_WORK}, 16),
        ({"months": 12, "market": "TW", "job": JobCode.AGRICULTURE}, 8),
        ({"months": 40, "market": "TW", "job": JobCode.NEAR_SHORE_FISHING}, 20),
        ({"months": 12, "market": "TW", "job": JobCode.INSTITUTION_CARE}, 14),
        ({"months": 36, "market": "TW", "job": JobCode.INSTITUTION_CARE}, 40),
        ({"months": 36, "market": "TW"}, 60),
        ({"months": 24, "job": JobCode.HIGH_SKILLED}, 28),
        ({"months": 36, "job": JobCode.CONSTRUCTION_SHIPBUILDING}, 40),
        ({"months": 12, "job": JobCode.TRAINEE_3_SAME_AGENCY}, 0),
        ({"months": 12, "job": JobCode.SKILLED_AFTER_TRAINEE}, 0),
        ({"months": 36, "market": "KR", "job": JobCode.NEAR_SHORE_FISHING}, 40),
        ({"months": 36, "market": "KR", "job": JobCode.AGRICULTURE}, 60),
        ({"months": 24, "market": "MY", "job": JobCode.DOMESTIC_WORK}, 0),
        ({"months": 18, "market": "SA", "job": JobCode.DOMESTIC_WORK}, 0),
        ({"months": 12, "market": "SA", "job": JobCode.DOMESTIC_WORK, "extension": True}, 0),
        ({"months": 24, "market": "HK", "job": JobCode.DOMESTIC_WORK}, 40),
        ({"months": 9, "market": "AU", "job": JobCode.AGRICULTURE}, 0),
        ({"months": 12, "market": "AU"}, 20),
    ],
)
def test_the_ceiling_follows_market_job_and_term(facts: dict[str, Any], most: int) -> None:
    allowed = ceiling(**facts)
    within = ceiling(a_fee(most * MILLION), **facts)
    over = ceiling(a_fee(most * MILLION + 1), **facts)

    assert allowed.numbers["ceiling"] == str(most * 1_000_000)
    assert (within.code, within.outcome) == ("within_ceiling", Outcome.INFORMATION)
    assert (over.code, over.outcome, over.numbers["over_by"]) == ("over_ceiling", Outcome.VIOLATION_INDICATED, "1")


def test_a_trainee_who_paid_190_million_paid_115_over_the_ceiling() -> None:
    facts = a_contract(job=JobCode.TRAINEE, monthly_wage=25 * MILLION, months=36)

    finding = assess(facts, [a_fee(190 * MILLION)])[0]

    assert finding.outcome is Outcome.VIOLATION_INDICATED
    assert finding.numbers == {
        "charged": "190000000",
        "ceiling": "75000000",
        "over_by": "115000000",
        "currency": "VND",
        "months_of_wage": "3",
        "months": "36",
    }
    assert "vượt 115.000.000 VND" in finding.vi
    assert "over by 115,000,000 VND" in finding.en
    assert finding.citation is not None
    assert finding.citation.en == "Law 69/2020/QH14, Article 23, clause 4a"
    assert finding.confirmed


def test_all_service_fees_of_a_contract_count_together_and_nothing_else_does() -> None:
    items = [a_fee(15 * MILLION), a_fee(6 * MILLION), CostItem(CostKind.LANGUAGE_TRAINING, 50 * MILLION, "VND")]

    findings = assess(a_contract(), items)

    assert findings[0].numbers["charged"] == "21000000"
    assert [finding.code for finding in findings] == ["over_ceiling", "fee_day_allowed", "fee_day_allowed"]


@pytest.mark.parametrize("kind", [kind for kind in CostKind if kind not in {CostKind.SERVICE_FEE, CostKind.BROKERAGE}])
def test_other_costs_are_not_judged(kind: CostKind) -> None:
    findings = assess(a_contract(), [CostItem(kind, 500 * MILLION, "VND", date(2020, 1, 1))])

    assert [finding.outcome for finding in findings] == [Outcome.INFORMATION]


@pytest.mark.parametrize("months", [1, 6, 13, 18, 35])
def test_a_part_of_a_year_goes_to_a_person(months: int) -> None:
    finding = ceiling(a_fee(500 * MILLION), months=months)

    assert (finding.code, finding.outcome) == ("part_year", Outcome.NEEDS_REVIEW)
    assert finding.numbers == {"months": str(months)}


def test_the_lower_ceilings_begin_with_their_circular() -> None:
    facts = {"market": "TW", "job": JobCode.HOME_CARE, "months": 12}

    before = ceiling(sending_contract_signed_on=date(2024, 5, 14), **facts)
    after = ceiling(sending_contract_signed_on=date(2024, 5, 15), **facts)

    assert (before.code, before.outcome, before.confirmed) == ("ceiling_not_read", Outcome.NEEDS_REVIEW, False)
    assert after.numbers["ceiling"] == "8000000"
    assert after.citation is not None
    assert after.citation.annex == "XI"


def test_an_extension_for_which_two_ceilings_may_hold_goes_to_a_person() -> None:
    finding = ceiling(market="TW", job=JobCode.HOME_CARE, extension=True)

    assert (finding.code, finding.outcome) == ("ceiling_not_read", Outcome.NEEDS_REVIEW)


def test_a_contract_from_before_the_law_goes_to_a_person() -> None:
    finding = ceiling(a_fee(500 * MILLION), sending_contract_signed_on=date(2021, 12, 31))

    assert (finding.code, finding.outcome, finding.citation) == ("no_rule_that_day", Outcome.NEEDS_REVIEW, None)
    assert "31/12/2021" in finding.vi


def test_without_a_day_of_signature_no_rule_is_chosen() -> None:
    finding = ceiling(a_fee(500 * MILLION), sending_contract_signed_on=None)

    assert (finding.code, finding.outcome) == ("signing_day_unknown", Outcome.NEEDS_REVIEW)


def test_a_wage_in_another_currency_needs_rate_day_and_source() -> None:
    wage = {"market": "TW", "currency": "TWD", "monthly_wage": Decimal(25_000)}

    with_rate = ceiling(a_fee(21 * MILLION), **wage, **RATE)
    without = [ceiling(a_fee(21 * MILLION), **wage, **(RATE | {missing: None})) for missing in RATE]

    assert with_rate.numbers["ceiling"] == "20000000"
    assert with_rate.numbers["over_by"] == "1000000"
    assert (with_rate.numbers["rate"], with_rate.numbers["rate_on"]) == ("800", "2025-03-01")
    assert with_rate.numbers["rate_source"] == "State Bank of Viet Nam"
    assert {(one.code, one.outcome) for one in without} == {("rate_missing", Outcome.NEEDS_REVIEW)}


def test_a_fee_in_the_currency_of_the_wage_needs_no_rate() -> None:
    finding = ceiling(a_fee(Decimal(25_001), "TWD"), market="TW", currency="TWD", monthly_wage=Decimal(25_000))

    assert (finding.numbers["over_by"], finding.numbers["currency"]) == ("1", "TWD")


def test_fees_in_dong_and_in_the_currency_of_the_wage_are_added_by_the_rate() -> None:
    fees = [a_fee(10 * MILLION), a_fee(Decimal(25_000), "TWD")]

    finding = ceiling(*fees, market="TW", currency="TWD", monthly_wage=Decimal(25_000), **RATE)

    assert (finding.numbers["charged"], finding.numbers["currency"]) == ("30000000", "VND")


def test_a_fee_in_a_third_currency_goes_to_a_person() -> None:
    finding = ceiling(a_fee(Decimal(100), "USD"), market="TW", currency="TWD", monthly_wage=Decimal(25_000), **RATE)

    assert finding.code == "rate_missing"


def test_where_nothing_may_be_charged_the_currency_of_the_wage_does_not_matter() -> None:
    finding = ceiling(a_fee(MILLION), market="AU", job=JobCode.AGRICULTURE, currency="AUD", monthly_wage=Decimal(4000))

    assert (finding.outcome, finding.numbers["over_by"]) == (Outcome.VIOLATION_INDICATED, "1000000")


def test_a_rule_for_a_region_is_unconfirmed_as_long_as_its_countries_are() -> None:
    finding = ceiling(a_fee(MILLION), market="SA", job=JobCode.DOMESTIC_WORK)

    assert finding.outcome is Outcome.VIOLATION_INDICATED
    assert not finding.confirmed


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
