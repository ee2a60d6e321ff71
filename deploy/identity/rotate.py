"""`make rotate-signing-key`: a new key signs the development issuer's tokens, or an old one is retired."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from deploy.identity import IdentityError
from deploy.identity.keys import retire, rotate, signing_keys

USAGE_ERROR = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Add a key, or retire the one that is named, and list those that are left; a running issuer follows by itself."""
    parser = argparse.ArgumentParser(prog="python -m deploy.identity.rotate", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="the issuer's state folder")
    parser.add_argument("--retire", metavar="KID", help="the key to retire, once its last token has ended")
    options = parser.parse_args(arguments)
    try:
        if options.retire:
            retire(options.state, options.retire)
        else:
            rotate(options.state)
        *older, newest = signing_keys(options.state)
    except IdentityError as error:
        print(error, file=sys.stderr)
        return USAGE_ERROR
    print(f"{newest.kid} signs")
    for key in reversed(older):
        print(f"{key.kid} is published, so that its tokens live out their time")
    return 0


if __name__ == "__main__":
    sys.exit(main())
