"""`python -m tests.bench`: measure, show, and renew the page; `--only post,search`, `--quick` for a run that proves nothing."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from tests.bench import auditing, carrying, effect, footprint, load, machine, page, posting, reading, searching
from tests.bench.findings import QUICK, WHOLE, Measurement
from tests.bench.parts import Parts

MEASUREMENTS: Mapping[str, Measurement] = {
    "post": posting.beside_bare,
    "growth": posting.growth,
    "relay": carrying.relay,
    "effect": effect.on_both_carriers,
    "search": searching.among_many,
    "read": reading.beside_peer,
    "audit": auditing.trail,
    "footprint": footprint.start_and_memory,
}


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", default="", help=f"some of {', '.join(MEASUREMENTS)}, parted by commas")
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes; the page stays as it is")
    parser.add_argument("--state", type=Path, default=Path("var/bench"))
    arguments = parser.parse_args()
    names = [name for name in arguments.only.split(",") if name] or list(MEASUREMENTS)
    if unknown := set(names) - MEASUREMENTS.keys():
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(MEASUREMENTS)}")
    load.client()
    with Parts(arguments.state) as parts:
        on = machine.described(parts)
        for name in names:
            findings = MEASUREMENTS[name](parts, QUICK if arguments.quick else WHOLE)
            print(page.table(name, findings, on), flush=True)  # noqa: T201 - this is a command
            if not arguments.quick:
                page.renew(name, findings, on)


if __name__ == "__main__":
    main()
