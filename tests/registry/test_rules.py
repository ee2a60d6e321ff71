"""What the registry decides, without a database."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from services.registry import rules
from services.registry.models import Agency, Contract, LicenceEvent, LicenceStatus, WatchEntry
from shared.contracts.registry import CostDetails
from shared.errors import InvalidInput
from shared.ids import new_id
from shared.law.fees import JobCode
from shared.law.findings import Outcome
from shared.money import Money

OF_AGE = date(2001, 5, 17)
SIGNED = date(2025, 3, 1)


def a_contract(**changes: Any) -> Contract:
    facts: dict[str, Any] = {
        "worker_id": new_id(),
        "agency_id": new_id(),
        "market": "JP",
        "job": JobCode.TRAINEE,
        "monthly_wage": Decimal(27_000_000),
        "currency": "VND",
        "months": 36,
        "sending_contract_signed_on": SIGNED,
        "supply_contract_approved_on": date(2025, 2, 1),
        "costs": [],
        "findings": [],
    }
    return Contract(**{**facts, **changes})


def a_cost(kind: str, amount: str, paid_on: date | None = date(2025, 3, 2), currency: str = "VND") -> CostDetails:
    return CostDetails(kind=kind, money=Money(amount=Decimal(amount), currency=currency), paid_on=paid_on)


def an_event(status: LicenceStatus, on: date, seq: int = 1) -> LicenceEvent:
    return LicenceEvent(agency_id=new_id(), status=status, status_on=on, seq=seq)


def an_entry(allegations: list[str], clauses: list[int], at: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> WatchEntry:
    return WatchEntry(
        agency_id=new_id(),
        case_id=new_id(),
        allegations=allegations,
        clauses=clauses,
        created_at=at,
        updated_at=at,
    )


def test_a_fee_of_190_million_for_a_trainee_in_japan_and_a_broker_give_two_indications() -> None:
    costs = [a_cost("service_fee", "190000000"), a_cost("brokerage", "20000000")]

    findings = rules.assess(a_contract(), costs, OF_AGE)

    fee, brokerage = [finding for finding in findings if finding.outcome == Outcome.VIOLATION_INDICATED]
    assert (fee.code, fee.clause, fee.citation) == ("over_ceiling", 9, "Luật 69/2020/QH14, Điều 23, khoản 4a")
    assert fee.numbers["charged"] == "190000000"
    assert fee.numbers["ceiling"] == "81000000"
    assert fee.numbers["over_by"] == "109000000"
    assert (brokerage.code, brokerage.clause) == ("brokerage_charged", 8)
    assert brokerage.citation == "Luật 69/2020/QH14, Điều 7, khoản 8"
    assert brokerage.citation_en == "Law 69/2020/QH14, Article 7, clause 8"
    assert all(finding.vi.startswith("Có dấu hiệu") for finding in (fee, brokerage))
    assert all(finding.en.startswith("Indication") for finding in (fee, brokerage))


@pytest.mark.parametrize(
    ("changes", "fee", "code", "ceiling"),
    [
        ({"monthly_wage": Decimal(20_000_000), "months": 12}, "20000000", "within_ceiling", "20000000"),
        ({"monthly_wage": Decimal(20_000_000), "months": 12}, "20000000.01", "over_ceiling", "20000000"),
        ({"monthly_wage": Decimal(20_000_000), "months": 24}, "40000000", "within_ceiling", "40000000"),
        ({"monthly_wage": Decimal(20_000_000), "months": 60}, "60000001", "over_ceiling", "60000000"),
        ({"job": JobCode.TRAINEE_3_SAME_AGENCY}, "1", "over_ceiling", "0"),
        ({"market": "TW", "job": JobCode.HOME_CARE, "monthly_wage": Decimal(17_000_000)}, "17000000", "within_ceiling", "17000000"),
        ({"monthly_wage": Decimal(20_000_000), "months": 12, "extension": True}, "10000001", "over_ceiling", "10000000"),
    ],
)  # fmt: skip
def test_the_ceiling_follows_market_job_wage_term_and_extension(
    changes: dict[str, Any], fee: str, code: str, ceiling: str
) -> None:
    findings = rules.assess(a_contract(**changes), [a_cost("service_fee", fee)], OF_AGE)

    assert (findings[0].code, findings[0].numbers["ceiling"]) == (code, ceiling)


def test_a_part_of_a_year_and_a_missing_rate_are_for_a_person_to_look_at() -> None:
    part_year = rules.assess(a_contract(months=18), [], OF_AGE)
    other_currency = rules.assess(
        a_contract(currency="JPY", monthly_wage=Decimal(180_000)), [a_cost("service_fee", "1")], OF_AGE
    )

    assert [finding.outcome for finding in part_year] == [Outcome.NEEDS_REVIEW]
    assert (other_currency[0].code, other_currency[0].outcome) == ("rate_missing", Outcome.NEEDS_REVIEW)


def test_a_rate_with_its_day_and_source_lets_another_currency_be_judged() -> None:
    contract = a_contract(
        currency="JPY",
        monthly_wage=Decimal(180_000),
        rate=Decimal(170),
        rate_on=SIGNED,
        rate_source="State Bank of Viet Nam",
    )

    finding = rules.assess(contract, [a_cost("service_fee", "190000000")], OF_AGE)[0]

    assert (finding.code, finding.numbers["ceiling"]) == ("over_ceiling", "91800000")
    assert finding.numbers["rate_source"] == "State Bank of Viet Nam"


def test_a_fee_before_the_signature_points_to_clause_nine() -> None:
    findings = rules.assess(a_contract(), [a_cost("service_fee", "1", date(2025, 2, 28))], OF_AGE)

    early = findings[1]
    assert (early.code, early.clause) == ("fee_before_allowed", 9)
    assert early.citation == "Luật 69/2020/QH14, Điều 23, khoản 2c"


def test_a_worker_under_age_on_the_day_of_signature_is_refused_with_the_article() -> None:
    with pytest.raises(InvalidInput) as refused:
        rules.assess(a_contract(), [], date(2007, 3, 2))

    error = refused.value.errors[0]
    assert (error.pointer, error.code) == ("/worker_id", "under_age")
    assert "18 tuổi" in error.expected.vi
    assert "Luật 69/2020/QH14, Điều 3" in error.expected.vi
    assert "possible trafficking" in error.expected.en


def test_a_worker_who_comes_of_age_on_the_day_of_signature_may_be_sent() -> None:
    findings = rules.assess(a_contract(), [], date(2007, 3, 1))

    assert [finding.code for finding in findings] == ["within_ceiling"]


@pytest.mark.parametrize(("born_on", "signed_on"), [(None, SIGNED), (date(2007, 3, 2), date(2021, 12, 31))])
def test_an_unknown_age_or_rule_is_for_a_person_to_look_at(born_on: date | None, signed_on: date) -> None:
    findings = rules.judge_age(born_on, signed_on)

    assert [(finding.code, finding.outcome) for finding in findings] == [("age_not_judged", Outcome.NEEDS_REVIEW)]


def test_a_finding_without_a_rule_cites_nothing() -> None:
    finding = rules.details(rules.judge_age(OF_AGE, date(2021, 12, 31))[0])

    assert (finding.citation, finding.citation_en, finding.confirmed, finding.clause) == ("", "", False, None)


@pytest.mark.parametrize(
    ("day", "age"), [(date(2026, 2, 28), 17), (date(2026, 3, 1), 18), (date(2008, 2, 29), 0), (date(2028, 2, 29), 20)]
)
def test_who_was_born_on_a_leap_day_completes_a_year_in_march(day: date, age: int) -> None:
    assert rules.age_on(day, date(2008, 2, 29)) == age


@pytest.mark.parametrize(
    ("day", "status"),
    [
        (date(2019, 12, 31), None),
        (date(2020, 1, 1), LicenceStatus.ACTIVE),
        (date(2023, 5, 31), LicenceStatus.ACTIVE),
        (date(2023, 6, 1), LicenceStatus.SUSPENDED),
        (date(2024, 1, 1), LicenceStatus.ACTIVE),
        (date(2025, 1, 1), LicenceStatus.REVOKED),
    ],
)
def test_how_a_licence_stood_is_told_for_the_day_of_the_act(day: date, status: LicenceStatus | None) -> None:
    history = [
        an_event(LicenceStatus.REVOKED, date(2025, 1, 1), seq=2),
        an_event(LicenceStatus.ACTIVE, date(2020, 1, 1), seq=1),
        an_event(LicenceStatus.ACTIVE, date(2024, 1, 1), seq=4),
        an_event(LicenceStatus.SUSPENDED, date(2023, 6, 1), seq=3),
    ]

    assert rules.status_on(history, day) is status


def test_of_two_events_on_one_day_the_one_recorded_last_counts() -> None:
    day = date(2024, 1, 1)

    assert rules.status_on([an_event(LicenceStatus.RETURNED, day, 2), an_event(LicenceStatus.ACTIVE, day, 1)], day) is (
        LicenceStatus.RETURNED
    )


def test_a_licence_without_history_stays_as_it_is() -> None:
    agency = Agency(
        name="A",
        licence_number="1",
        enterprise_code="0100000001",
        licence_status=LicenceStatus.ACTIVE,
        licence_status_on=SIGNED,
    )

    rules.note_licence(agency, [])

    assert (agency.licence_status, agency.licence_status_on) == (LicenceStatus.ACTIVE, SIGNED)


@pytest.mark.parametrize(
    ("code", "clause"),
    [
        ("brokerage_charged", 8),
        ("over_ceiling", 9),
        ("fee_before_allowed", 9),
        ("broker_fee", 8),
        ("document_retention", 10),
        ("unpaid_wages", None),
        ("no such code", None),
    ],
)
def test_findings_and_complaints_point_to_a_clause_or_to_none(code: str, clause: int | None) -> None:
    assert rules.clause_of(code) == clause


def test_a_licence_is_lost_for_some_clauses_and_not_for_others() -> None:
    grounds = {clause for clause in range(20) if rules.costs_revocation(clause)}

    assert grounds == {1, 2, 5, 6, 7, 8, 11, 12, 13}
    assert rules.points_to_revocation("brokerage_charged")
    assert not rules.points_to_revocation("over_ceiling")
    assert not rules.points_to_revocation("no such code")


def test_allegations_add_up_alike_in_every_order() -> None:
    one, other = an_entry([], []), an_entry([], [])

    rules.add_allegations(one, ["broker_fee"], [8])
    rules.add_allegations(one, ["illegal_fee", "broker_fee"], [9])
    rules.add_allegations(other, ["illegal_fee", "broker_fee"], [9])
    rules.add_allegations(other, ["broker_fee"], [8])

    assert (one.allegations, one.clauses) == (other.allegations, other.clauses)
    assert (one.allegations, one.clauses) == (["broker_fee", "illegal_fee"], [8, 9])


@pytest.mark.parametrize(
    ("allegations", "clauses", "nothing_new"),
    [(["broker_fee"], [8], True), ([], [], True), (["illegal_fee"], [8], False), (["broker_fee"], [9], False)],
)
def test_what_is_alleged_already_is_nothing_new(allegations: list[str], clauses: list[int], nothing_new: bool) -> None:
    assert rules.tells_nothing_new(an_entry(["broker_fee"], [8]), allegations, clauses) is nothing_new


def test_a_tally_counts_cases_and_tells_the_first_and_the_last() -> None:
    early, late = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)

    tally = rules.tally([an_entry(["broker_fee", "illegal_fee"], [8, 9], late), an_entry(["broker_fee"], [8], early)])

    assert tally.cases == 2
    assert tally.allegations == {"broker_fee": 2, "illegal_fee": 1}
    assert tally.clauses == {8: 2, 9: 1}
    assert (tally.first_at, tally.last_at) == (early, late)
