"""The ceiling of the service fee follows market, job, term and the day the sending contract was signed."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from shared.law.fees import CostItem, JobCode, assess, judge_ceiling
from shared.law.findings import Finding, Outcome
from tests.shared.law.contracts import MILLION, RATE, a_contract, a_fee


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
