"""A process that draws at random as it is loaded, before the fork, and again as it runs."""

import json
import os
import random
import ssl
import sys

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.ids import new_id, new_reference


def draw() -> dict[str, str]:
    """Draw from each source of the house; of an id the part that is not its time."""
    return {
        "id": new_id().hex[-8:],
        "reference": new_reference(),
        "random": str(random.random()),  # noqa: S311 - that it differs is what is shown
        "ssl": ssl.RAND_bytes(8).hex(),
        "key": AESGCM.generate_key(128).hex(),
    }


BEFORE = draw()


def main() -> None:
    """Say what was drawn now, and in which environment."""
    sys.stdout.write(json.dumps({"before": BEFORE, "now": draw(), "environment": dict(os.environ)}))
