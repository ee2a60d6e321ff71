"""The command: one line for each invariant; exits 0 when all of them hold, 1 when one is broken, 2 when it cannot tell."""

import argparse
import os
import sys
from datetime import timedelta

import psycopg

from deploy.operator import operator_environment, parser
from deploy.postgres import ServerError
from deploy.reconcile.counting import Line, reconcile
from deploy.reconcile.report import as_json, as_text, is_clean
from deploy.state import StateError
from deploy.topology import SERVICES
from shared.clock import now
from shared.db import conninfo

BROKEN = 1
UNKNOWN = 2


def main() -> int:
    """Count, print, and return the exit code."""
    options = parser(__doc__)
    options.add_argument("--json", action="store_true", help="print the count for a machine")
    options.add_argument(
        "--older-than",
        type=int,
        default=0,
        metavar="MINUTES",
        help="of what may be on its way, call broken only what is so much older: as long as a worker was down",
    )
    arguments = options.parse_args()
    try:
        lines = _count(arguments)
    except (StateError, ServerError, psycopg.Error, KeyError) as error:
        print(f"baoho: nothing was counted: {_reason(error)}", file=sys.stderr)
        return UNKNOWN
    print(as_json(lines, now()) if arguments.json else as_text(lines))
    return 0 if is_clean(lines) else BROKEN


def _count(arguments: argparse.Namespace) -> list[Line]:
    with operator_environment(arguments.state):
        addresses = {service.name: _address(service.name) for service in SERVICES}
        return reconcile(addresses, now() - timedelta(minutes=arguments.older_than))


def _address(service: str) -> str:
    return conninfo(os.environ[f"{service.upper()}_DATABASE_URL"])


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"missing in the environment: {error.args[0]}"
    return " ".join(str(error).split())


if __name__ == "__main__":
    sys.exit(main())
