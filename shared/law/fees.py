"""What a worker may be charged: ceilings of the service fee, the ban on brokerage, the earliest day of payment."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

from shared.codes.lists import countries
from shared.law.book import BOOK, Entry, LawBook
from shared.law.findings import Finding, Outcome, plain, say

CEILING = "service_fee_ceiling"
BROKERAGE = "brokerage"
TIMING = "service_fee_timing"
VND = "VND"
CENT = Decimal("0.01")
AMOUNT_LIMIT = Decimal(10**16)
RATE_LIMIT = Decimal(10**6)
"""Below these limits, products and sums stay exact within the 28 digits of decimal arithmetic."""


class CostKind(StrEnum):
    """What a worker pays for (ILO definition of recruitment fees and related costs, 2019)."""

    BROKERAGE = "brokerage"
    CERTIFICATES_AND_TRANSLATION = "certificates_and_translation"
    CONTRACT_APPROVAL = "contract_approval"
    DEPOSIT = "deposit"
    EQUIPMENT = "equipment"
    INLAND_TRANSPORT = "inland_transport"
    INSURANCE = "insurance"
    INTERNATIONAL_TRANSPORT = "international_transport"
    LANGUAGE_TRAINING = "language_training"
    LOAN_INTEREST = "loan_interest"
    LODGING = "lodging"
    MEDICAL = "medical"
    ORIENTATION = "orientation"
    OTHER = "other"
    PASSPORT = "passport"
    SERVICE_FEE = "service_fee"
    SKILLS_TRAINING = "skills_training"
    SUPPORT_FUND = "support_fund"
    TESTS = "tests"
    VISA = "visa"
    WAGE_DEDUCTION = "wage_deduction"


class JobCode(StrEnum):
    """The jobs that the ceilings tell apart; everything else is `OTHER`."""

    AGRICULTURE = "agriculture"
    CONSTRUCTION_SHIPBUILDING = "construction_shipbuilding"
    DOMESTIC_WORK = "domestic_work"
    HIGH_SKILLED = "high_skilled"
    HOME_CARE = "home_care"
    INSTITUTION_CARE = "institution_care"
    NEAR_SHORE_FISHING = "near_shore_fishing"
    OTHER = "other"
    SKILLED_AFTER_TRAINEE = "skilled_after_trainee"
    TRAINEE = "trainee"
    TRAINEE_3_SAME_AGENCY = "trainee_3_same_agency"
    TRANSPORT_CREW = "transport_crew"


@dataclass(frozen=True, slots=True)
class CostItem:
    """One thing paid; `currency` is an ISO 4217 code. ValueError for what is no amount."""

    kind: CostKind
    amount: Decimal
    currency: str
    paid_on: date | None = None

    def __post_init__(self) -> None:
        _refuse_unless(self.amount == 0 or _is_within(self.amount, AMOUNT_LIMIT), "an amount is from 0 to under 10^16")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractFacts:
    """What the ceiling depends on.

    `market` is an ISO 3166-1 alpha-2 code; `months` the term, or the length of the extension when `extension` is set.
    `rate` is VND for one unit of the wage's currency, with the day and the source it was taken from.
    """

    market: str
    job: JobCode
    monthly_wage: Decimal
    currency: str
    months: int
    sending_contract_signed_on: date | None
    supply_contract_approved_on: date | None = None
    extension: bool = False
    rate: Decimal | None = None
    rate_on: date | None = None
    rate_source: str | None = None

    def __post_init__(self) -> None:
        _refuse_unless(self.market in countries, "a market is an ISO 3166-1 alpha-2 code")
        _refuse_unless(_is_within(self.monthly_wage, AMOUNT_LIMIT), "a wage is above 0 and under 10^16")
        _refuse_unless(self.months > 0, "a term is at least one month")
        _refuse_unless(self.rate is None or _is_within(self.rate, RATE_LIMIT), "a rate is above 0 and under 10^6")

    def rate_to_vnd(self) -> Decimal | None:
        """Return the rate, but only with the day and the source that make it checkable."""
        return self.rate if self.rate_on and self.rate_source else None


def assess(facts: ContractFacts, items: Iterable[CostItem], book: LawBook = BOOK) -> tuple[Finding, ...]:
    """Say what the charges of a contract indicate: one finding on the ceiling, then one for each telling item.

    Only service fees and brokerage are judged; amounts of zero are no charge.
    """
    charged = [item for item in items if item.amount > 0]
    fees = [item for item in charged if item.kind is CostKind.SERVICE_FEE]
    brokerage = [item for item in charged if item.kind is CostKind.BROKERAGE]
    return (
        judge_ceiling(facts, fees, book),
        *(_judge_day(facts, item, book) for item in fees),
        *(_judge_brokerage(facts, item, book) for item in brokerage),
    )


def judge_ceiling(facts: ContractFacts, fees: Iterable[CostItem], book: LawBook = BOOK) -> Finding:
    """Compare all service fees of one contract with the ceiling of the day it was signed."""
    if facts.sending_contract_signed_on is None:
        return say(book, CEILING, "signing_day_unknown", Outcome.NEEDS_REVIEW, {})
    on = facts.sending_contract_signed_on
    try:
        entry = book.find(
            CEILING, on=on, market=facts.market, job=facts.job, extension="yes" if facts.extension else "no"
        )
    except LookupError:
        return say(book, CEILING, "no_rule_that_day", Outcome.NEEDS_REVIEW, {"on": on.isoformat()})
    if "months_of_wage" not in entry.values:
        return say(book, CEILING, "ceiling_not_read", Outcome.NEEDS_REVIEW, {}, entry=entry)
    months = _months_of_wage(entry, facts.months)
    if months is None:
        return say(book, CEILING, "part_year", Outcome.NEEDS_REVIEW, {"months": str(facts.months)}, entry=entry)
    return _compare(facts, tuple(fees), months, entry, book)


def _months_of_wage(entry: Entry, months: int) -> Decimal | None:
    """Return how many months of wage may be charged; None where the law does not say what a part of a year allows."""
    per_period = entry.decimal("months_of_wage")
    if "long_contract_months" in entry.values and months >= entry.integer("long_contract_months"):
        return entry.decimal("long_contract_max")
    periods, rest = divmod(months, entry.integer("per_months"))
    return None if rest and per_period else per_period * periods


def _compare(facts: ContractFacts, fees: tuple[CostItem, ...], months: Decimal, entry: Entry, book: LawBook) -> Finding:
    currencies = {item.currency for item in fees} | ({facts.currency} if months else set())
    rates = _rates(facts, currencies)
    if rates is None:
        return say(book, CEILING, "rate_missing", Outcome.NEEDS_REVIEW, {"currency": facts.currency}, entry=entry)
    shown = VND if len(currencies) != 1 else next(iter(currencies))
    ceiling = (facts.monthly_wage * months * rates.get(facts.currency, Decimal(1))).quantize(CENT, ROUND_HALF_UP)
    charged = sum((item.amount * rates[item.currency] for item in fees), Decimal(0)).quantize(CENT, ROUND_HALF_UP)
    numbers = {
        "charged": plain(charged),
        "ceiling": plain(ceiling),
        "over_by": plain(max(charged - ceiling, Decimal(0))),
        "currency": shown,
        "months_of_wage": plain(months),
        "months": str(facts.months),
    }
    if len(rates) > 1:
        numbers |= {
            "rate": plain(rates[facts.currency]),
            "rate_on": str(facts.rate_on),
            "rate_source": str(facts.rate_source),
        }
    if charged > ceiling:
        return say(book, CEILING, "over_ceiling", Outcome.VIOLATION_INDICATED, numbers, entry=entry)
    return say(book, CEILING, "within_ceiling", Outcome.INFORMATION, numbers, entry=entry)


def _rates(facts: ContractFacts, currencies: set[str]) -> dict[str, Decimal] | None:
    """Return a factor per currency to one common currency; None if they cannot be brought together."""
    if len(currencies) <= 1:
        return dict.fromkeys(currencies, Decimal(1))
    rate = facts.rate_to_vnd()
    if rate is None or currencies != {VND, facts.currency}:
        return None
    return {VND: Decimal(1), facts.currency: rate}


def _judge_day(facts: ContractFacts, item: CostItem, book: LawBook) -> Finding:
    """Compare the day of payment with the two days before which no service fee may be taken."""
    earliest = {
        "signed_on": facts.sending_contract_signed_on,
        "approved_on": facts.supply_contract_approved_on,
    }
    known = {name: day for name, day in earliest.items() if day is not None}
    entry = _entry_on(book, TIMING, facts.sending_contract_signed_on or item.paid_on)
    numbers = {name: day.isoformat() for name, day in known.items()}
    numbers |= {"amount": plain(item.amount), "currency": item.currency}
    if entry is None or item.paid_on is None:
        return say(book, TIMING, "fee_day_not_judged", Outcome.NEEDS_REVIEW, numbers, entry=entry)
    numbers |= {"paid_on": item.paid_on.isoformat()}
    if any(item.paid_on < day for day in known.values()):
        numbers |= {"allowed_from": max(known.values()).isoformat()}
        return say(book, TIMING, "fee_before_allowed", Outcome.VIOLATION_INDICATED, numbers, entry=entry)
    if len(known) < len(earliest):
        return say(book, TIMING, "fee_day_not_judged", Outcome.NEEDS_REVIEW, numbers, entry=entry)
    return say(book, TIMING, "fee_day_allowed", Outcome.INFORMATION, numbers, entry=entry)


def _judge_brokerage(facts: ContractFacts, item: CostItem, book: LawBook) -> Finding:
    entry = _entry_on(book, BROKERAGE, facts.sending_contract_signed_on or item.paid_on)
    numbers = {"amount": plain(item.amount), "currency": item.currency}
    if entry is None:
        return say(book, BROKERAGE, "brokerage_not_judged", Outcome.NEEDS_REVIEW, numbers)
    return say(book, BROKERAGE, "brokerage_charged", Outcome.VIOLATION_INDICATED, numbers, entry=entry)


def _entry_on(book: LawBook, kind: str, on: date | None) -> Entry | None:
    if on is None:
        return None
    try:
        return book.find(kind, on=on)
    except LookupError:
        return None


def _is_within(number: Decimal, limit: Decimal) -> bool:
    return number.is_finite() and 0 < number < limit


def _refuse_unless(holds: bool, why: str) -> None:
    if not holds:
        raise ValueError(why)
