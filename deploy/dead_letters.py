"""`python -m deploy.dead_letters`: an operator's way to dead letters when no token is at hand; audited like any other.

list [--all] [--reason R]    keys    show ID    replay ID… | --reason R    discard ID REASON [--ticket T] [--release]
"""

import argparse
import os
import pwd
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col

from deploy.operator import operator_environment, parser, runtimes
from deploy.postgres import ServerError
from deploy.state import StateError
from shared.access import one
from shared.audit import record_listing, record_read
from shared.auth import Principal
from shared.errors import DomainError, NotFound
from shared.ids import new_id
from shared.letters import acts
from shared.letters.lines import counts, first_letters
from shared.letters.model import OPEN, DeadLetter, DiscardReason, LetterState, visible_letters
from shared.letters.routes import TICKET
from shared.letters.view import detail, summary, uuid_in
from shared.runtime import Act, Runtime
from shared.settings import SettingsError

NOT_DONE = 1
UNREACHABLE = 2


def main(words: Sequence[str] | None = None) -> int:
    """Do what the command line says; return 0 when it was done, 1 when it may not be, 2 when nothing is reached."""
    options = _options().parse_args(words)
    try:
        with operator_environment(options.state), runtimes() as opened:
            options.act(opened, options)
    except DomainError as error:
        told = " ".join(f"{name}={value}" for name, value in error.members.items())
        print(f"baoho: {error.sentence.en} {told}".rstrip(), file=sys.stderr)
        return NOT_DONE
    except (StateError, ServerError, SettingsError) as error:
        print(f"baoho: {error}", file=sys.stderr)
        return UNREACHABLE
    except SQLAlchemyError as error:
        print(f"baoho: the database does not answer as it should: {type(error).__name__}", file=sys.stderr)
        return UNREACHABLE
    return 0


def _options() -> argparse.ArgumentParser:
    options = parser(__doc__)
    options.formatter_class = argparse.RawDescriptionHelpFormatter
    acts_of = options.add_subparsers(required=True, metavar="ACT")
    listing = acts_of.add_parser("list", help="list what could not be handled, oldest first")
    listing.add_argument("--all", action="store_true", help="closed letters as well")
    listing.add_argument("--reason", help="only those with this reason")
    listing.set_defaults(act=list_letters)
    acts_of.add_parser("keys", help="list the keys that do not flow").set_defaults(act=list_keys)
    show = acts_of.add_parser("show", help="show all that may be seen of a letter")
    show.add_argument("id", type=UUID)
    show.set_defaults(act=show_letter)
    replay = acts_of.add_parser("replay", help="let the worker handle letters, and what waits behind them")
    which = replay.add_mutually_exclusive_group(required=True)
    which.add_argument("id", type=UUID, nargs="*", default=[])
    which.add_argument("--reason", help="all that are first of their key and have this reason")
    replay.set_defaults(act=replay_letters)
    discard = acts_of.add_parser("discard", help="close a letter for good, unhandled")
    discard.add_argument("id", type=UUID)
    discard.add_argument("reason", type=DiscardReason, choices=list(DiscardReason), metavar="REASON")
    discard.add_argument("--ticket", type=_ticket, help="the number of a ticket, such as OPS-1204")
    discard.add_argument("--release", action="store_true", help="let go what waits behind it")
    discard.set_defaults(act=discard_letter)
    return options


def list_letters(opened: Mapping[str, Runtime], options: argparse.Namespace) -> None:
    """Print a line for each letter; say so, beside the list, when there is none."""
    listed = 0
    for service, session in _sessions(opened, "list_dead_letters"):
        letters = visible_letters(_operator()).order_by(col(DeadLetter.seq))
        if not options.all:
            letters = letters.where(col(DeadLetter.state).in_(OPEN))
        if options.reason:
            letters = letters.where(DeadLetter.reason == options.reason)
        record_listing(session, DeadLetter.__tablename__)
        for letter in session.exec(letters):
            _print_line(service, letter)
            listed += 1
    if not listed:
        print("no dead letters", file=sys.stderr)


def list_keys(opened: Mapping[str, Runtime], _options: argparse.Namespace) -> None:
    """Print a line for each key that does not flow: how many wait, and the letter that is first."""
    for service, session in _sessions(opened, "list_parked_keys"):
        firsts = session.exec(first_letters(_operator()).order_by(col(DeadLetter.seq))).all()
        counted = counts(session, firsts)
        record_listing(session, DeadLetter.__tablename__)
        for first in firsts:
            line = counted[first.topic, first.key]
            told = " ".join(f"{state}={number}" for state, number in line.items())
            print(f"{service:9} {first.topic:16} {uuid_in(first.key) or 'withheld'!s:36} {told} first={first.id}")


def show_letter(opened: Mapping[str, Runtime], options: argparse.Namespace) -> None:
    """Print a letter as its route would."""
    service, session = _session_with(opened, options.id, "read_dead_letter")
    with session:
        letter = one(session, _by_id(options.id))
        record_read(session, letter)
        print(service, detail(letter, acts.count_behind(session, letter)).model_dump_json(indent=1))
        session.commit()


def replay_letters(opened: Mapping[str, Runtime], options: argparse.Namespace) -> None:
    """Ask for letters, each in a transaction of its own."""
    for letter_id in options.id or list(_first_with(opened, options.reason)):
        service, session = _session_with(opened, letter_id, "replay_dead_letter")
        with session:
            letter = acts.ask_replay(session, _by_id(letter_id))
            session.commit()
            _print_line(service, letter)


def discard_letter(opened: Mapping[str, Runtime], options: argparse.Namespace) -> None:
    """Close a letter."""
    service, session = _session_with(opened, options.id, "discard_dead_letter")
    with session:
        by_id = _by_id(options.id)
        letter = acts.discard(session, by_id, options.reason, options.ticket, release=options.release)
        session.commit()
        _print_line(service, letter)


def _first_with(opened: Mapping[str, Runtime], reason: str) -> Iterator[UUID]:
    wanted = (DeadLetter.reason == reason, DeadLetter.state == LetterState.DEAD)
    for _, session in _sessions(opened, "list_dead_letters"):
        record_listing(session, DeadLetter.__tablename__)
        yield from [letter.id for letter in session.exec(first_letters(_operator()).where(*wanted))]


def _sessions(opened: Mapping[str, Runtime], operation: str) -> Iterator[tuple[str, Session]]:
    for service, runtime in opened.items():
        with runtime.session(_act(operation)) as session:
            yield service, session
            session.commit()


def _session_with(opened: Mapping[str, Runtime], letter_id: UUID, operation: str) -> tuple[str, Session]:
    """Return the service that holds this letter, and a session there."""
    for service, runtime in opened.items():
        session = runtime.session(_act(operation))
        if session.exec(_by_id(letter_id)).first() is not None:
            return service, session
        session.close()
    raise NotFound


def _by_id(letter_id: UUID) -> Any:
    return visible_letters(_operator()).where(DeadLetter.id == letter_id)


def _print_line(service: str, letter: DeadLetter) -> None:
    told = summary(letter)
    at, key = told.created_at.isoformat(timespec="seconds"), told.key or "withheld"
    print(f"{service:9} {told.id} {told.state:9} {told.reason:28} {told.type or '-'} key={key} {at}")


def _operator() -> Principal:
    """Return whoever runs this command, as the machine knows them: an environment could say anything."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = str(os.getuid())
    return Principal(subject=f"operator:{name}", roles=frozenset())


def _act(operation: str) -> Act:
    return Act(_operator().subject, operation, str(new_id()))


def _ticket(text: str) -> str:
    if not re.fullmatch(TICKET, text):
        raise argparse.ArgumentTypeError("a ticket looks like OPS-1204")
    return text


if __name__ == "__main__":
    sys.exit(main())
