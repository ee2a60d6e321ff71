"""What is shown of a letter: a stranger may have written anything anywhere in it, so only what has a known form is told.

Ids, codes of our lists, small numbers and recent instants are shown; everything else is `withheld`, and of a payload that
cannot be read its size, its hash and where it stopped being valid.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from shared import codes
from shared.contracts import KNOWN, PRODUCERS
from shared.contracts.referral import Population, ServiceType
from shared.events import CONTENT_TYPE, SPEC_VERSION, Classification, Event, PoisonError, decode
from shared.letters.model import DeadLetter, DiscardReason, LetterState
from shared.schema import Output
from shared.validation import field_errors

WITHHELD = "withheld"
UUID_FORM = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SMALL_SEQUENCE = re.compile("0{4}[0-9]{6}")
"""A version of an aggregate; ten digits that begin otherwise may be a telephone number."""
SMALL = 1_000_000
RECENT = timedelta(days=90)
"""An instant further from the letter's arrival than this may be somebody's birthday."""
FAULTS = 5
PLACE = re.compile(r"line (\d+) column (\d+)")
CODES = frozenset(
    row.code
    for listed in (codes.countries, codes.provinces, codes.offices, codes.complaint_types, codes.languages)
    for row in listed.all()
) | {*ServiceType, *Population}


class LetterRead(Output):
    """A letter in a list; `key` and `event_id` are null where they are no ids of ours."""

    id: UUID
    state: LetterState
    reason: str
    topic: str
    key: UUID | None
    event_id: UUID | None
    type: str | None
    created_at: datetime
    updated_at: datetime
    discarded_as: DiscardReason | None
    ticket: str | None


class Fault(Output):
    """Where a payload stopped being valid: a field of the contract, or a line and column of what is no JSON."""

    pointer: str
    code: str
    line: int | None
    column: int | None


class LetterDetail(LetterRead):
    """All that is shown of one letter; `unreadable` says why it could not be read today, null that it can."""

    headers: dict[str, str]
    other_headers: int
    size: int | None
    sha256: str | None
    unreadable: str | None
    faults: list[Fault]
    payload: dict[str, Any] | None
    waiting_behind: int


class ParkedKeyRead(Output):
    """A key that does not flow: its first letter, and how many stand in its line."""

    topic: str
    key: UUID | None
    first: LetterRead
    dead: int
    parked: int
    due: int


def summary(letter: DeadLetter) -> LetterRead:
    """Return a letter as it stands in a list."""
    return LetterRead(**_summary(letter))


def detail(letter: DeadLetter, waiting_behind: int, known: Mapping[str, type[Event]] = KNOWN) -> LetterDetail:
    """Return a letter as an operator inspects it."""
    unreadable, event = _read(letter, known)
    payload = letter.payload
    return LetterDetail(
        **_summary(letter),
        headers=_headers(letter),
        other_headers=sum(name not in FORMS for name, _ in letter.headers),
        size=None if payload is None else len(payload),
        sha256=None if payload is None else hashlib.sha256(payload).hexdigest(),
        unreadable=unreadable,
        faults=_faults(letter, known) if unreadable else [],
        payload=None if event is None else _payload(event, letter.created_at),
        waiting_behind=waiting_behind,
    )


def _summary(letter: DeadLetter) -> dict[str, Any]:
    shown = _headers(letter)
    kind = shown.get("ce_type")
    return {
        "id": letter.id,
        "state": letter.state,
        "reason": letter.reason,
        "topic": letter.topic,
        "key": uuid_in(letter.key),
        "event_id": uuid_in(letter.event_id),
        "type": None if kind == WITHHELD else kind,
        "created_at": letter.created_at,
        "updated_at": letter.updated_at,
        "discarded_as": letter.discarded_as,
        "ticket": letter.ticket,
    }


def uuid_in(text: str | None) -> UUID | None:
    """Return the id that a text is, and nothing of any other text."""
    return UUID(text) if text is not None and UUID_FORM.fullmatch(text) else None


def _read(letter: DeadLetter, known: Mapping[str, type[Event]]) -> tuple[str | None, Event | None]:
    try:
        return None, decode(letter.record(), known).event
    except PoisonError as error:
        return error.reason, None


FORMS: dict[str, Callable[[str], bool]] = {
    "ce_specversion": SPEC_VERSION.__eq__,
    "ce_id": lambda text: uuid_in(text) is not None,
    "ce_source": lambda text: text.removeprefix("/") in PRODUCERS,
    "ce_type": KNOWN.__contains__,
    "ce_time": lambda text: _instant(text) is not None,
    "ce_subject": lambda text: uuid_in(text) is not None,
    "ce_partitionkey": lambda text: uuid_in(text) is not None,
    "ce_sequence": lambda text: SMALL_SEQUENCE.fullmatch(text) is not None,
    "ce_correlationid": lambda text: uuid_in(text) is not None,
    "ce_causationid": lambda text: uuid_in(text) is not None,
    "ce_dataclassification": {each.value for each in Classification}.__contains__,
    "content-type": CONTENT_TYPE.__eq__,
}
"""The headers we know, each with the form that its value must have to be shown."""


def _headers(letter: DeadLetter) -> dict[str, str]:
    shown: dict[str, str] = {}
    for name, value in letter.headers:
        if name in FORMS:
            # Of a header that came twice neither value is told: it cannot be known which one was meant.
            shown[name] = WITHHELD if name in shown else _header(name, value, letter.created_at)
    return shown


def _header(name: str, value: str | None, arrived_at: datetime) -> str:
    text = "" if value is None else bytes.fromhex(value).decode(errors="replace")
    if not FORMS[name](text):
        return WITHHELD
    instant = _instant(text) if name == "ce_time" else None
    return text if instant is None else str(_shown(instant, arrived_at))


def _instant(text: str) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return instant.astimezone(UTC) if instant.tzinfo is not None else None


def _faults(letter: DeadLetter, known: Mapping[str, type[Event]]) -> list[Fault]:
    """Hold a payload against the contract that its type names; without one there is nothing to hold it against."""
    contract = known.get(_headers(letter).get("ce_type", ""))
    if contract is None or letter.payload is None:
        return []
    try:
        contract.model_validate_json(letter.payload)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)[:FAULTS]
        return [_fault(each) for each in wrong]
    return []


def _fault(error: Any) -> Fault:
    [told] = field_errors([error])
    place = PLACE.search(str(error.get("ctx", {}).get("error", ""))) if error["type"] == "json_invalid" else None
    line, column = (int(place[1]), int(place[2])) if place else (None, None)
    return Fault(pointer=told.pointer, code=told.code, line=line, column=column)


def _payload(event: Event, arrived_at: datetime) -> dict[str, Any]:
    """Return the fields of an event's contract; of one that may hold a pseudonym only their names."""
    if event.classification is not Classification.INTERNAL:
        return dict.fromkeys(type(event).model_fields, WITHHELD)
    return {name: _shown(getattr(event, name), arrived_at) for name in type(event).model_fields}


def _shown(value: Any, arrived_at: datetime) -> Any:
    if isinstance(value, list):
        return [_shown(each, arrived_at) for each in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat() if abs(value - arrived_at) <= RECENT else WITHHELD
    if isinstance(value, UUID):
        return str(value)
    plain = value is None or isinstance(value, bool) or (isinstance(value, int) and abs(value) < SMALL)
    return value if plain or (isinstance(value, str) and value in CODES) else WITHHELD
