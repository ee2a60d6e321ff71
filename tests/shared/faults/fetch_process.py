"""A process that fetches, and that is killed while it applies what came, before that is committed."""

import json
import os
import signal
import sys
from typing import Any

from sqlmodel import Session

from shared.contracts.hotline import HandOverDetails
from shared.fetch import Fetcher
from tests.shared.faults.world import note_hand_over, open_runtime

VARIABLE = "FAULTS_SETTINGS"


def note_and_die(session: Session, details: HandOverDetails, params: dict[str, str]) -> None:
    """Write, and be killed."""
    note_hand_over(session, details, params)
    os.kill(os.getpid(), signal.SIGKILL)


def main(settings: dict[str, Any]) -> int:
    """Fetch what is due as intake; coming to the end means that nothing was."""
    runtime = open_runtime("intake", settings.pop("url"), **settings)
    return Fetcher(runtime, {HandOverDetails: note_and_die}).fetch_due()


if __name__ == "__main__":
    sys.exit(main(json.loads(os.environ[VARIABLE])))
