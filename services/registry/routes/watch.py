"""What must never reach an agency: which agencies are watched, and which contract a case belongs to."""

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from sqlmodel import col

from services.registry import access, rules
from services.registry.access import CanFetchLink, CanReadWatch
from services.registry.models import Agency, ContractLink, WatchEntry
from services.registry.schemas import AgencySummary, WatchedAgency, WatchedAllegation, WatchedClause
from shared.access import one
from shared.audit import record_read
from shared.contracts.registry import ContractDetails
from shared.edge import SessionDep, router
from shared.money import Money
from shared.paging import Page, Paging

api = router("/registry/v1")


@api.get("/watch-list")
def read_watch_list(reader: CanReadWatch, session: SessionDep, paging: Paging) -> Page[WatchedAgency]:
    """List the agencies that something is alleged against, with numbers of cases and never which cases they are."""
    agencies, following = paging.rows(session, access.watched_agencies(reader), Agency.seq)
    listed = col(WatchEntry.agency_id).in_([agency.id for agency in agencies])
    entries: dict[UUID, list[WatchEntry]] = defaultdict(list)
    for entry in session.exec(access.visible_watch_entries(reader).where(listed)):
        entries[entry.agency_id].append(entry)
    return Page(items=[_watched(agency, entries[agency.id]) for agency in agencies], next=following)


@api.get("/contract-links/{case_id}")
def fetch_contract_link(case_id: UUID, service: CanFetchLink, session: SessionDep) -> ContractDetails:
    """Give intake the contract of a case that it asked for and that was found; the reading is recorded."""
    link = one(session, access.visible_links(service).where(ContractLink.case_id == case_id))
    contract = one(session, access.linked_contract(link))
    agency = one(session, access.linked_agency(link))
    record_read(session, contract)
    return ContractDetails(
        case_id=link.case_id,
        contract_id=contract.id,
        agency_id=agency.id,
        agency_name=agency.name,
        market=contract.market,
        job=contract.job,
        monthly_wage=Money(amount=contract.monthly_wage, currency=contract.currency),
        months=contract.months,
        signed_on=contract.sending_contract_signed_on,
        costs=contract.costs,
        findings=contract.findings,
    )


def _watched(agency: Agency, entries: Sequence[WatchEntry]) -> WatchedAgency:
    tally = rules.tally(entries)
    return WatchedAgency(
        agency=AgencySummary.model_validate(agency),
        cases=tally.cases,
        allegations=[
            WatchedAllegation(code=code, cases=cases, revocation_ground=rules.points_to_revocation(code))
            for code, cases in sorted(tally.allegations.items())
        ],
        clauses=[
            WatchedClause(clause=clause, cases=cases, revocation_ground=rules.costs_revocation(clause))
            for clause, cases in sorted(tally.clauses.items())
        ],
        first_at=tally.first_at,
        last_at=tally.last_at,
    )
