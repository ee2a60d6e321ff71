"""The last resort of a process that was told to end: it is gone within 15 s, whatever hangs."""

import os
import threading

END_SECONDS = 14.0


def end_in_time() -> None:
    """End this process soon, even if a thread hangs: what it has in hand is rolled back, or comes again."""
    timer = threading.Timer(END_SECONDS, os._exit, (1,))
    timer.daemon = True
    timer.start()
