"""The development issuer told to stop under load: every request that it accepted is answered, on kept connections too."""

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import httpx

from tests.faults.street import PATIENCE, until
from tests.harness import free_port

CALLERS = 4
SECONDS = 15.0


def answers(url: str) -> bool:
    """Whether somebody answers there."""
    try:
        return httpx.get(url, trust_env=False).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def ask_until_refused(url: str, told: Counter[str]) -> None:
    """Ask again and again on one kept connection until nobody lets us in any more."""
    with httpx.Client(timeout=PATIENCE, trust_env=False) as client:
        while True:
            try:
                told[str(client.get(url).status_code)] += 1
            except httpx.ConnectError:
                return
            except httpx.TransportError as torn:
                told[type(torn).__name__] += 1
                return


def test_the_issuer_answers_every_request_that_it_accepted(tmp_path: Path) -> None:
    port, told = free_port(), Counter[str]()
    url = f"http://127.0.0.1:{port}/identity/.well-known/jwks.json"
    options = ["--state", str(tmp_path), "--port", str(port), "--public-url", f"http://127.0.0.1:{port}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy.identity.serve", *options],
        env={**os.environ, "ENV": "development"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until(lambda: answers(url), "the issuer answers")
    callers = [threading.Thread(target=ask_until_refused, args=(url, told)) for _ in range(CALLERS)]
    for caller in callers:
        caller.start()
    until(lambda: told["200"] > 20, "it is at work")

    began = time.monotonic()
    process.terminate()
    process.wait(PATIENCE)
    took = time.monotonic() - began
    for caller in callers:
        caller.join(PATIENCE)

    assert set(told) == {"200"}
    assert took < SECONDS
