"""The routes by which operators list, inspect, replay and discard what a service could not handle."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import StringConstraints
from sqlmodel import col

from shared.access import one
from shared.audit import record_listing, record_read
from shared.auth import Principal, requires
from shared.edge import SessionDep, router
from shared.letters import acts
from shared.letters.lines import counts, first_letters
from shared.letters.model import DeadLetter, DiscardReason, LetterState, visible_letters
from shared.letters.view import LetterDetail, LetterRead, ParkedKeyRead, detail, summary, uuid_in
from shared.paging import SEVERAL, Page, Paging
from shared.permissions import Permission
from shared.schema import Input

CanReadLetters = Annotated[Principal, requires(Permission.DEAD_LETTER_READ)]
CanReplayLetters = Annotated[Principal, requires(Permission.DEAD_LETTER_REPLAY)]
CanDiscardLetters = Annotated[Principal, requires(Permission.DEAD_LETTER_DISCARD)]
TICKET = "[A-Z]{2,10}-[0-9]{1,6}"
States = Annotated[list[LetterState] | None, SEVERAL, Query()]
Topic = Annotated[str | None, Query(pattern=r"^[a-z_]{1,40}\.events$")]
Reason = Annotated[str | None, Query(pattern="^[A-Za-z_]{1,60}(:[A-Za-z_]{1,60})?$")]


class Discard(Input):
    """Why a letter is never to be handled; free text has no place in a trail that nobody can erase from."""

    reason: DiscardReason
    ticket: Annotated[str, StringConstraints(pattern=f"^{TICKET}$")] | None = None
    """The number of an operator's ticket, such as `OPS-1204`."""
    release: bool = False
    """Whether those that wait behind it are to be handled without it."""


def letters_router(service: str) -> APIRouter:
    """Return the operators' routes of a service."""
    api = router(f"/{service}/v1")
    _add_reading(api)
    _add_acts(api)
    return api


def _add_reading(api: APIRouter) -> None:
    @api.get("/dead-letters")
    def list_dead_letters(
        operator: CanReadLetters,
        session: SessionDep,
        paging: Paging,
        *,
        state: States = None,
        topic: Topic = None,
        key: UUID | None = None,
        reason: Reason = None,
    ) -> Page[LetterRead]:
        """List what could not be handled, newest first."""
        letters = visible_letters(operator)
        if state is not None:
            letters = letters.where(col(DeadLetter.state).in_(state))
        asked = {DeadLetter.topic: topic, DeadLetter.key: key and str(key), DeadLetter.reason: reason}
        letters = letters.where(*(col(column) == value for column, value in asked.items() if value is not None))
        rows, following = paging.rows(session, letters, DeadLetter.seq)
        record_listing(session, DeadLetter.__tablename__)
        return Page(items=[summary(row) for row in rows], next=following)

    @api.get("/dead-letters/{letter_id}")
    def read_dead_letter(operator: CanReadLetters, session: SessionDep, letter_id: UUID) -> LetterDetail:
        """Inspect one letter: ids, codes and sizes; never a text that somebody wrote."""
        letter = one(session, visible_letters(operator).where(DeadLetter.id == letter_id))
        record_read(session, letter)
        return detail(letter, acts.count_behind(session, letter))

    @api.get("/parked-keys")
    def list_parked_keys(operator: CanReadLetters, session: SessionDep, paging: Paging) -> Page[ParkedKeyRead]:
        """List the keys that do not flow, with the letter that is first in line and how many wait behind it."""
        firsts, following = paging.rows(session, first_letters(operator), DeadLetter.seq)
        counted = counts(session, firsts)
        record_listing(session, DeadLetter.__tablename__)
        items = [
            ParkedKeyRead(
                topic=first.topic, key=uuid_in(first.key), first=summary(first), **counted[first.topic, first.key]
            )
            for first in firsts
        ]
        return Page(items=items, next=following)


def _add_acts(api: APIRouter) -> None:
    @api.post("/dead-letters/{letter_id}/replay")
    def replay_dead_letter(operator: CanReplayLetters, session: SessionDep, letter_id: UUID) -> LetterRead:
        """Let the worker handle a letter, and in order those that wait behind it, up to the next dead one."""
        letters = visible_letters(operator).where(DeadLetter.id == letter_id)
        return summary(acts.ask_replay(session, letters))

    @api.post("/dead-letters/{letter_id}/discard")
    def discard_dead_letter(
        operator: CanDiscardLetters, session: SessionDep, letter_id: UUID, body: Discard
    ) -> LetterRead:
        """Close a letter for good, unhandled; its key goes on without it."""
        letters = visible_letters(operator).where(DeadLetter.id == letter_id)
        return summary(acts.discard(session, letters, body.reason, body.ticket, release=body.release))
