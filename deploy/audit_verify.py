"""`make audit-verify`: says of each service whether its audit trail is as it was sealed, and names the first broken row.

Exit code 0: all is whole. 1: a chain is broken. 2: it could not be verified.
"""

import sys
from collections.abc import Sequence

from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from deploy import operator
from deploy.postgres import ServerError
from deploy.state import StateError
from deploy.topology import SERVICES
from shared.chain import Ring
from shared.chain.verify import Break, Harm, Verdict, verify
from shared.settings import SettingsError, audit_settings, parse_keys

BROKEN, NOT_VERIFIED = 1, 2
WARNED_SECONDS = 300
"""Rows are sealed within about a second; one that waits so long says that no worker seals."""
TOLD = {
    Harm.CUT: "missing: the chain ends before it, but was witnessed by {}",
    Harm.EDITED: "edited: the row or its seal is not what was sealed",
    Harm.MISSING: "missing: the row or its seal was deleted",
    Harm.REWRITTEN: "rewritten: the chain holds another row here than the one {} heard of",
    Harm.SWAPPED: "swapped: it changed places with audit id {}",
    Harm.UNKNOWN_KEY: "not to be verified: it is sealed under key {}, which the ring does not hold",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify every service's chain, print a line for each, and return the exit code."""
    parser = operator.parser(__doc__)
    parser.add_argument(
        "--lost", type=_lost, action="append", default=[], metavar="SERVICE=FIRST-LAST", help="rows a restore has cost"
    )
    options = parser.parse_args(arguments)
    try:
        with operator.operator_environment(options.state):
            return _verify_all(options.lost)
    except (StateError, ServerError, SettingsError) as error:
        print(f"audit-verify: {error}", file=sys.stderr)
    except SQLAlchemyError as error:
        # An error's own text may name addresses and values.
        reason = type(getattr(error, "orig", None) or error).__name__
        print(f"audit-verify: a database cannot be read ({reason}); is it running, and migrated?", file=sys.stderr)
    return NOT_VERIFIED


def _lost(text: str) -> tuple[str, range]:
    """Read `intake=813-820`."""
    service, _, numbers = text.partition("=")
    first, _, last = numbers.partition("-")
    if service not in {each.name for each in SERVICES}:
        raise ValueError(service)
    return service, range(int(first), int(last) + 1)


def _verify_all(lost: Sequence[tuple[str, range]]) -> int:
    settings = {service.name: audit_settings(service.name) for service in SERVICES}
    rings = {name: Ring(name, parse_keys(each.audit_keys)) for name, each in settings.items()}
    engines = {name: _engine(each.database_url.get_secret_value()) for name, each in settings.items()}
    broken = False
    for name, ring in rings.items():
        witnesses = {other: engine for other, engine in engines.items() if other != name}
        known = [rows for service, rows in lost if service == name]
        verdict = verify(name, ring, engines[name], witnesses, known)
        print("\n".join(told(name, verdict)), flush=True)
        broken = broken or verdict.broken is not None
    return BROKEN if broken else 0


def told(service: str, verdict: Verdict) -> list[str]:
    """Return what a person is told of one service; a second line warns of rows that wait too long for their seals."""
    rest = f"witnessed up to row {verdict.witnessed}; {verdict.unsealed} not sealed yet"
    if verdict.broken is None:
        lines = [f"{service}: {verdict.whole} rows sealed, all whole, {rest}"]
    else:
        lines = [f"{service}: BROKEN at {_named(verdict.broken)}; {verdict.whole} rows before it are whole, {rest}"]
    if verdict.oldest > WARNED_SECONDS:
        minutes = int(verdict.oldest // 60)
        lines.append(f"{service}: WARNING: a row has waited {minutes} minutes for its seal: does its worker run?")
    return lines


def _named(broken: Break) -> str:
    row = f"row {broken.n}" if broken.audit_id is None else f"row {broken.n} (audit id {broken.audit_id})"
    return f"{row}, {TOLD[broken.harm].format(broken.detail)}"


def _engine(url: str) -> Engine:
    """Return an engine that lets one statement read as long as a long chain takes."""
    options = "-c timezone=UTC -c statement_timeout=0"
    return create_engine(
        url, poolclass=NullPool, hide_parameters=True, connect_args={"options": options, "connect_timeout": 5}
    )


if __name__ == "__main__":
    sys.exit(main())
