"""A process that seals until it is killed."""

import os

from shared.chain.sealer import Sealer
from shared.contracts import KNOWN
from tests.shared.faults.world import open_runtime

if __name__ == "__main__":
    runtime = open_runtime("hotline", os.environ["SEALING_URL"], audit_keys=os.environ["SEALING_KEYS"])
    sealer = Sealer(runtime, KNOWN, batch=200)
    while True:
        sealer.seal()
