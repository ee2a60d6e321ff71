"""How an operator's command reaches the four databases and their keys: by a state folder, or by the environment.

On a laptop `--state` names the folder of `make run` or `make stack`, running or not; on a server the environment says it.
"""

import argparse
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from importlib import import_module
from pathlib import Path

from deploy.identity import ISSUER
from deploy.postgres import reached
from deploy.state import SECRETS, StateError, environment, open_state
from deploy.topology import LOOPBACK, SERVICES
from shared.runtime import Runtime

PUBLIC_URL = f"http://{LOOPBACK}"
"""Settings want an address; a command hands out no links."""


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser of a command's line that knows `--state`."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument(
        "--state", type=Path, help="the state folder of a house on this machine; else the environment counts"
    )
    return made


@contextmanager
def operator_environment(state: Path | None) -> Iterator[None]:
    """Let `os.environ` name databases and keys: those of the house in `state`, for as long as the context lasts.

    The databases of `state` are reached where they run and started where they do not. Raises `StateError`,
    `ServerError`.
    """
    if state is None:
        yield
        return
    if not (state / SECRETS).exists():
        raise StateError(
            f"no house has run on {state}: name the folder of `make run` (var) or `make stack` (var/stack)"
        )
    folder = open_state(state)
    with reached(folder / "postgres") as database:
        values = environment(folder, database, public_url=PUBLIC_URL, issuer_url=PUBLIC_URL, issuer=ISSUER)
        with _environ(values):
            yield


@contextmanager
def runtimes() -> Iterator[dict[str, Runtime]]:
    """Open all four services as the environment says; raises `SettingsError`."""
    with ExitStack() as stack:
        yield {service.name: stack.enter_context(closing(_open(service.name))) for service in SERVICES}


def _open(service: str) -> Runtime:
    settings = import_module(f"services.{service}.settings").Settings()
    runtime: Runtime = import_module(f"services.{service}.runtime").runtime(settings)
    return runtime


@contextmanager
def _environ(values: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        for name in values:
            os.environ.pop(name)
        os.environ.update(before)
