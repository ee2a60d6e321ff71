"""Print a demo identity's token: `python -m deploy.identity.token --state var/identity ROLE [--org …]`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from deploy.identity import IdentityError
from deploy.identity.demo import CLAIM_FORMS, IDENTITIES, mint

USAGE_ERROR = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Print just the token to standard output, or one line about what is wrong to standard error."""
    options = vars(_parser().parse_args(arguments))
    state, role = options.pop("state"), options.pop("role")
    try:
        print(mint(state, role, **options))
    except IdentityError as error:
        print(error, file=sys.stderr)
        return USAGE_ERROR
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.identity.token", description=__doc__)
    parser.add_argument("role", metavar="ROLE", help=", ".join(IDENTITIES))
    parser.add_argument("--state", type=Path, required=True, help="the issuer's state folder")
    for claim, (_, form) in CLAIM_FORMS.items():
        parser.add_argument(f"--{claim}", help=form)
    return parser


if __name__ == "__main__":
    sys.exit(main())
