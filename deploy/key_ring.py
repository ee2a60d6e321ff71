"""`make key-add`, `key-promote`, `key-remove`: one step of a rotation in the secrets of a house on this machine.

On a server the same steps are edits of the environment; docs/guides/keys-and-backup.md tells both.
"""

import argparse
import re
from collections.abc import Mapping
from pathlib import Path

from deploy.keys_check import checked, setting
from deploy.operator import operator_environment, runtimes
from deploy.postgres import ServerError
from deploy.state import StateError, new_key, open_state, secrets_of, write_secrets
from deploy.topology import SERVICES
from shared.keys import Kind
from shared.settings import SettingsError


class RingError(Exception):
    """The step cannot be taken; the text is one line for a person."""


def add(ring: str) -> str:
    """Put a new key at the end: it opens and finds, and nothing is written under it yet."""
    numbers = [int(number) for key in ring.split(",") for number in re.findall(r"^k(\d+):", key)]
    return f"{ring},k{max(numbers, default=0) + 1}:{new_key()}"


def promote(ring: str) -> str:
    """Put the last key first: what is written from now on is written under it, and the rest is moved."""
    *others, last = ring.split(",")
    return ",".join([last, *others])


def remove(ring: str, key_id: str) -> str:
    """Take a key out of the ring; raise `RingError` for one that is not there or is the current one."""
    first, *others = ring.split(",")
    kept = [key for key in others if not key.startswith(f"{key_id}:")]
    if len(kept) == len(others):
        message = f"{key_id} is not an older key of this ring"
        raise RingError(message)
    return ",".join([first, *kept])


def change(state: Path, step: str, name: str, key_id: str | None) -> list[str]:
    """Take the step and return the ids of the ring, the current one first; a key that something needs is not removed."""
    folder = open_state(state)
    values = secrets_of(folder)
    if name not in (rings := _rings(values)):
        message = f"{name} is no ring that rotates like this: choose one of {', '.join(rings)}"
        raise RingError(message)
    if step == "remove":
        _refuse_needed(state, name, key_id or "")
        values[name] = remove(values[name], key_id or "")
    else:
        values[name] = (add if step == "add" else promote)(values[name])
    write_secrets(folder, values)
    return [key.partition(":")[0] for key in values[name].split(",")]


def _rings(values: Mapping[str, str]) -> list[str]:
    named = {setting(service.name, kind) for service in SERVICES for kind in Kind}
    return sorted(name for name in named if name in values)


def _refuse_needed(state: Path, name: str, key_id: str) -> None:
    with operator_environment(state), runtimes() as opened:
        found = checked(opened)
    for service, findings in found.items():
        for finding in findings:
            mine = (setting(service, finding.kind), finding.key_id) == (name, key_id)
            if mine and finding.needed_by:
                message = f"{service} still needs {key_id} of {name}: {', '.join(finding.needed_by)}"
                raise RingError(message)


def main() -> None:
    """Take one step: `python -m deploy.key_ring add|promote|remove RING [--key k1] --state var`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=["add", "promote", "remove"])
    parser.add_argument("ring", help="such as INTAKE_SERVICE_KEYS, REGISTRY_SEARCH_KEYS or LINK_KEYS")
    parser.add_argument("--key", help="the id of the key to remove, such as k1")
    parser.add_argument("--state", type=Path, required=True, help="the state folder of a house on this machine")
    arguments = parser.parse_args()
    try:
        ids = change(arguments.state, arguments.step, arguments.ring, arguments.key)
    except (RingError, StateError, ServerError, SettingsError) as error:
        raise SystemExit(f"baoho: {error}") from None
    print(f"{arguments.ring}: {', '.join(ids)}; start the house anew, so that it takes them up")


if __name__ == "__main__":
    main()
