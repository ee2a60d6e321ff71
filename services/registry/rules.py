"""What the registry decides: what the law says of a contract, how a licence stood on a day, what a watch adds up to. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType

from services.registry.models import Agency, Contract, LicenceEvent, LicenceStatus, WatchEntry
from shared import codes
from shared.contracts.registry import CostDetails, FindingDetails
from shared.errors import InvalidInput
from shared.law import fees
from shared.law.book import BOOK, Entry, LawBook
from shared.law.findings import Finding, Outcome, say

MINIMUM_AGE = "minimum_age"
COMPLAINT_TYPE: MappingProxyType[str, str] = MappingProxyType(
    {"brokerage_charged": "broker_fee", "fee_before_allowed": "illegal_fee", "over_ceiling": "illegal_fee"}
)
"""What a worker would complain of, by the code of the finding that indicates it."""


def assess(contract: Contract, costs: Iterable[CostDetails], born_on: date | None) -> list[FindingDetails]:
    """Say what the law indicates of a contract on the day it was signed.

    Raises `InvalidInput` for a worker who was under age that day: such a contract is not registered.
    """
    items = [
        fees.CostItem(fees.CostKind(cost.kind), cost.money.amount, cost.money.currency, cost.paid_on) for cost in costs
    ]
    findings = [*fees.assess(_facts(contract), items), *judge_age(born_on, contract.sending_contract_signed_on)]
    return [details(finding) for finding in findings]


def judge_age(born_on: date | None, signed_on: date, book: LawBook = BOOK) -> tuple[Finding, ...]:
    """Refuse a worker known to be under age; say nothing of one of age; ask a person where it cannot be known."""
    entry = _age_rule(signed_on, book)
    if entry is None or born_on is None:
        numbers = {"signed_on": signed_on.isoformat()}
        return (say(book, MINIMUM_AGE, "age_not_judged", Outcome.NEEDS_REVIEW, numbers, entry=entry),)
    if age_on(signed_on, born_on) < entry.integer("years"):
        text = book.text(MINIMUM_AGE, "under_age")
        vi, en = (sentence.format(minimum_age=entry.values["years"]) for sentence in (text.vi, text.en))
        raise InvalidInput.at("/worker_id", "under_age", f"{vi} ({entry.citation.vi})", f"{en} ({entry.citation.en})")
    return ()


def age_on(day: date, born_on: date) -> int:
    """Return the completed years of age; who was born on 29 February completes a year on 1 March."""
    return day.year - born_on.year - ((day.month, day.day) < (born_on.month, born_on.day))


def details(finding: Finding) -> FindingDetails:
    """Return a finding as it is stored and shown."""
    return FindingDetails(
        code=finding.code,
        outcome=finding.outcome,
        vi=finding.vi,
        en=finding.en,
        citation=finding.citation.vi if finding.citation else "",
        citation_en=finding.citation.en if finding.citation else "",
        numbers=dict(finding.numbers),
        confirmed=finding.confirmed,
        clause=clause_of(finding.code),
    )


def clause_of(code: str) -> int | None:
    """Return the clause of Article 7, Law 69/2020/QH14, that a finding or a complaint points to, if any."""
    complaint = codes.complaint_types.get(COMPLAINT_TYPE.get(code, code))
    if complaint is None or complaint.article_7 is None:
        return None
    return int(complaint.article_7.partition(".")[2])


def costs_revocation(clause: int) -> bool:
    """Whether that clause of Article 7 is a ground to revoke a licence (Article 16.2d)."""
    act = codes.article_7.get(f"7.{clause}")
    return act is not None and act.revocation_ground


def points_to_revocation(allegation: str) -> bool:
    """Whether what is alleged, a complaint type or a finding, would be a ground to revoke a licence."""
    return codes.revocation_ground(COMPLAINT_TYPE.get(allegation, allegation))


def status_on(history: Iterable[LicenceEvent], day: date) -> LicenceStatus | None:
    """Return how the licence stood on that day, None before its first event; of one day's events the last recorded counts."""
    event = _latest(event for event in history if event.status_on <= day)
    return event.status if event else None


def note_licence(agency: Agency, history: Sequence[LicenceEvent]) -> None:
    """Let the agency show its latest status: an event of the past that is recorded late changes history alone."""
    event = _latest(history)
    if event is not None:
        agency.licence_status, agency.licence_status_on = event.status, event.status_on


def tells_nothing_new(entry: WatchEntry, allegations: Iterable[str], clauses: Iterable[int]) -> bool:
    """Whether all of this is alleged already."""
    return set(allegations) <= set(entry.allegations) and set(clauses) <= set(entry.clauses)


def add_allegations(entry: WatchEntry, allegations: Iterable[str], clauses: Iterable[int]) -> None:
    """Add what is alleged; in whatever order it is heard of, the end is the same."""
    entry.allegations = sorted({*entry.allegations, *allegations})
    entry.clauses = sorted({*entry.clauses, *clauses})


@dataclass(frozen=True, slots=True)
class Tally:
    """What is alleged against one agency, in numbers of cases."""

    cases: int
    allegations: Counter[str]
    clauses: Counter[int]
    first_at: datetime
    last_at: datetime


def tally(entries: Sequence[WatchEntry]) -> Tally:
    """Add up the entries of one agency; there is at least one."""
    return Tally(
        cases=len(entries),
        allegations=Counter(code for entry in entries for code in entry.allegations),
        clauses=Counter(clause for entry in entries for clause in entry.clauses),
        first_at=min(entry.created_at for entry in entries),
        last_at=max(entry.updated_at for entry in entries),
    )


def _facts(contract: Contract) -> fees.ContractFacts:
    return fees.ContractFacts(
        market=contract.market,
        job=contract.job,
        monthly_wage=contract.monthly_wage,
        currency=contract.currency,
        months=contract.months,
        sending_contract_signed_on=contract.sending_contract_signed_on,
        supply_contract_approved_on=contract.supply_contract_approved_on,
        extension=contract.extension,
        rate=contract.rate,
        rate_on=contract.rate_on,
        rate_source=contract.rate_source,
    )


def _age_rule(signed_on: date, book: LawBook) -> Entry | None:
    try:
        return book.find(MINIMUM_AGE, on=signed_on)
    except LookupError:
        return None


def _latest(history: Iterable[LicenceEvent]) -> LicenceEvent | None:
    return max(history, key=lambda event: (event.status_on, event.seq or 0), default=None)
