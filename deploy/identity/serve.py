"""Run the issuer as a process of its own: `python -m deploy.identity.serve --state DIR --port N --public-url URL`."""

import argparse
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import uvicorn
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp

from deploy.identity import IdentityError
from deploy.identity.app import create_issuer, public_host
from shared.serve import ANSWER_SECONDS, HttpServer

LOOPBACK = "127.0.0.1"
LOOPBACK_NAMES = ("localhost", LOOPBACK, "[::1]")
USAGE_ERROR = 2


def guarded_issuer(state: Path, public_url: str) -> ASGIApp:
    """Make the issuer behind a check of the Host header, so that no web page can reach it by a name of its own."""
    issuer = create_issuer(state, public_url)
    hosts = [*LOOPBACK_NAMES, public_host(public_url)]
    return TrustedHostMiddleware(issuer, allowed_hosts=hosts, www_redirect=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve on the loopback address until stopped; one line to standard error where the issuer refuses to start."""
    options = _parser().parse_args(arguments)
    try:
        issuer = guarded_issuer(options.state, options.public_url)
    except IdentityError as error:
        print(error, file=sys.stderr)
        return USAGE_ERROR
    # No access log: a client that wrongly puts its secret into the URL must not find it in a file.
    config = uvicorn.Config(
        issuer, host=LOOPBACK, port=options.port, access_log=False, timeout_graceful_shutdown=ANSWER_SECONDS
    )
    with suppress(KeyboardInterrupt):
        HttpServer(config).run()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.identity.serve", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="the folder of keys and secrets")
    parser.add_argument("--port", type=int, required=True, help="the port on 127.0.0.1")
    parser.add_argument("--public-url", required=True, help="the address clients use, such as http://127.0.0.1:8000")
    return parser


if __name__ == "__main__":
    sys.exit(main())
