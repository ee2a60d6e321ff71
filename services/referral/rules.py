"""What referral decides: which step follows which, when an answer is due, which service fits, who has beds. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from ipaddress import ip_address
from types import MappingProxyType
from uuid import UUID

from yarl import URL

from services.referral.models import (
    Capacity,
    DisabledReason,
    Endpoint,
    Priority,
    Referral,
    ReferralStatus,
    Service,
)
from shared.clock import ONE_DAY, VIET_NAM, add_working_days, local_date
from shared.contracts.referral import Population
from shared.errors import Conflict, IllegalTransition, InvalidInput
from shared.webhooks import Outcome, UndeliverableUrlError, Verdict, check_url, is_deliverable, verdict

TRANSITIONS: MappingProxyType[ReferralStatus, frozenset[ReferralStatus]] = MappingProxyType(
    {
        ReferralStatus.REQUESTED: frozenset(
            {ReferralStatus.ROUTED, ReferralStatus.UNROUTABLE, ReferralStatus.CANCELLED}
        ),
        ReferralStatus.ROUTED: frozenset({ReferralStatus.ACCEPTED, ReferralStatus.DECLINED, ReferralStatus.CANCELLED}),
        ReferralStatus.ACCEPTED: frozenset({ReferralStatus.COMPLETED, ReferralStatus.CANCELLED}),
        ReferralStatus.DECLINED: frozenset(),
        ReferralStatus.COMPLETED: frozenset(),
        ReferralStatus.CANCELLED: frozenset(),
        ReferralStatus.UNROUTABLE: frozenset(),
    }
)

STALE_AFTER = timedelta(hours=24)
"""A count of beds older than this says nothing any more."""
SAME_HOUR = timedelta(hours=1)
WORKING_DAYS_TO_ANSWER = 2
SLOW_FOR = timedelta(minutes=1)
"""How long an endpoint that asked for less gets one message at a time, unless it named a longer wait."""
WARN_AFTER = timedelta(hours=24)
GIVE_UP_AFTER = timedelta(days=3)
"""About as long as the ten tries of one message take."""


def advance(referral: Referral, to: ReferralStatus, reason: str | None = None) -> None:
    """Move a referral on, or raise `IllegalTransition` with the steps that are allowed."""
    if to not in TRANSITIONS[referral.status]:
        raise IllegalTransition(referral.status, to, TRANSITIONS[referral.status])
    referral.status, referral.reason = to, reason


def is_open(referral: Referral) -> bool:
    """Say whether anything can still become of it."""
    return bool(TRANSITIONS[referral.status])


def due_at(priority: Priority, requested_at: datetime) -> datetime:
    """Return when the partner is to have answered, as an instant.

    P0, danger to life: an hour after it was asked. P1: by the end of the same day in Viet Nam. P2 and P3: by the end of
    the second working day, the day it was asked not counted. (Practice of referral standards; to be agreed with
    the partners.)
    """
    if priority is Priority.P0:
        return requested_at + SAME_HOUR
    asked_on = local_date(requested_at)
    return _end_of(asked_on if priority is Priority.P1 else add_working_days(asked_on, WORKING_DAYS_TO_ANSWER))


def _end_of(day: date) -> datetime:
    return datetime.combine(day + ONE_DAY, time.min, VIET_NAM)


def takes(service: Service, population: Population) -> bool:
    """Say whether a service is for a population; a client of no named group fits only what takes everybody."""
    return population in service.populations or Population.ANY in service.populations


def fits(service: Service, referral: Referral) -> bool:
    """Say whether a service is of the type, the place and the people that a referral asks for."""
    return (
        service.active
        and service.service_type is referral.service_type
        and (not service.provinces or referral.province in service.provinces)
        and takes(service, referral.population)
    )


def best_service(
    referral: Referral, services: Sequence[Service], capacities: Iterable[Capacity], at: datetime
) -> Service | None:
    """Return the service that a referral goes to, or None if none fits; the same facts give the same answer.

    Where a bed is needed, the most free beds come first, then counts that are unknown, then full houses. What is equal
    goes to the service that has stood in the directory longest.
    """
    fitting = sorted((service for service in services if fits(service, referral)), key=lambda service: service.seq or 0)
    if not referral.needs_bed:
        return next(iter(fitting), None)
    beds = _free_beds(capacities, referral.population, at)
    return min(fitting, key=lambda service: _preference(beds.get(service.id)), default=None)


def _free_beds(capacities: Iterable[Capacity], population: Population, at: datetime) -> Mapping[UUID, int]:
    """Return the known free beds of each service that a person of this population may have."""
    beds: dict[UUID, int] = {}
    for capacity in capacities:
        free = free_beds(capacity, at)
        if free is not None and capacity.population in (population, Population.ANY):
            beds[capacity.service_id] = beds.get(capacity.service_id, 0) + free
    return beds


def _preference(free: int | None) -> tuple[int, int]:
    """Free, unknown, full: in this order, and among the free the most beds first."""
    if free is None:
        return 1, 0
    return (0, -free) if free > 0 else (2, 0)


def free_beds(capacity: Capacity, at: datetime) -> int | None:
    """Return how many beds are free, or None where the count is too old to say."""
    return None if at - capacity.counted_at > STALE_AFTER else capacity.total - capacity.held


def count_beds(capacity: Capacity, total: int, at: datetime) -> None:
    """Note a new count; raise `Conflict` if it is below what is promised to referrals already."""
    if total < capacity.held:
        raise Conflict("below_held", held=capacity.held)
    capacity.total, capacity.counted_at = total, at


def choose_bed(capacities: Sequence[Capacity], population: Population) -> Capacity:
    """Take one bed of the population's own, else one that anybody may have; raise `Conflict` if none is free."""
    free = [capacity for capacity in capacities if capacity.held < capacity.total]
    chosen = next((capacity for capacity in free if capacity.population is population), None) or next(iter(free), None)
    if chosen is None:
        raise Conflict("no_bed_free")
    chosen.held += 1
    return chosen


def check_receiver(url: str, *, production: bool) -> None:
    """Refuse an address that no webhook is sent to; a name that stands for such an address is refused when dialled."""
    try:
        check_url(url, production=production)
    except UndeliverableUrlError as error:
        raise _refused_receiver() from error
    host = URL(url).host or ""
    if _is_numeric(host) and not is_deliverable(host, allow_loopback=not production):
        raise _refused_receiver()


def _refused_receiver() -> InvalidInput:
    return InvalidInput.at(
        "/url",
        "undeliverable",
        "địa chỉ https công khai, không kèm tên đăng nhập hay phần #",
        "a public https address, without user, password or fragment",
    )


def _is_numeric(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def disable(endpoint: Endpoint, reason: DisabledReason) -> None:
    """Send nothing there any more."""
    endpoint.active, endpoint.disabled_reason = False, reason


def is_news(endpoint: Endpoint, outcome: Outcome) -> bool:
    """Say whether an outcome can change what is known of an endpoint that is in use."""
    troubled = endpoint.failing_since is not None or endpoint.slow_until is not None
    return endpoint.active and (troubled or verdict(outcome) is not Verdict.DELIVERED)


def note_outcome(endpoint: Endpoint, outcome: Outcome, at: datetime) -> None:
    """Let an endpoint's standing follow what came of a try: well, failing, slowed down, or disabled."""
    says = verdict(outcome)
    if says is Verdict.DELIVERED:
        endpoint.failing_since = endpoint.slow_until = None
        return
    endpoint.failing_since = endpoint.failing_since or at
    if says is Verdict.SLOW_DOWN:
        endpoint.slow_until = at + max(SLOW_FOR, outcome.retry_after or timedelta())
    if says is Verdict.DISABLE:
        disable(endpoint, DisabledReason.GONE)
    elif at - endpoint.failing_since >= GIVE_UP_AFTER:
        disable(endpoint, DisabledReason.FAILING)


def is_failing_long(endpoint: Endpoint, at: datetime) -> bool:
    """Say whether someone should look at an endpoint before it is given up."""
    return endpoint.failing_since is not None and at - endpoint.failing_since >= WARN_AFTER
