"""What the story is played on: the running house, a token for each person in it, and a way to wait."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from deploy.identity.demo import mint

PATIENCE = 60.0
"""Seconds that a fact may take from one service to another before the story has failed."""


class StoryError(Exception):
    """Something did not happen as told."""


class Person:
    """Someone with a role, who calls the house with their own token."""

    def __init__(self, client: httpx.Client, state: Path, role: str, **claims: Any) -> None:
        self._client = client
        self.role = role
        self._token = mint(state / "identity", role, **claims)

    def get(self, path: str, expect: int = 200, **query: Any) -> Any:
        """Read; anything but `expect` ends the story."""
        return self._send("GET", path, expect, params=query or None)

    def post(self, path: str, body: Any = None, expect: int | tuple[int, ...] = 201) -> Any:
        """Do something once: with an idempotency key, as every careful client does."""
        return self._send("POST", path, expect, json=body, headers={"Idempotency-Key": str(uuid4())})

    def put(self, path: str, body: Any, expect: int | tuple[int, ...] = 200) -> Any:
        """Set something, whatever it was."""
        return self._send("PUT", path, expect, json=body, headers={"If-Match": "*"})

    def delete(self, path: str) -> None:
        """Remove something, whatever it was."""
        self._send("DELETE", path, 204, headers={"If-Match": "*"})

    def _send(self, method: str, path: str, expect: int | tuple[int, ...], **options: Any) -> Any:
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Accept-Language": "en",
            **(options.pop("headers", None) or {}),
        }
        answer = self._client.request(method, path, headers=headers, **options)
        wanted = expect if isinstance(expect, tuple) else (expect,)
        if answer.status_code not in wanted:
            message = (
                f"{self.role}: {method} {path} answered {answer.status_code} instead of {expect}: {answer.text[:600]}"
            )
            raise StoryError(message)
        return answer.json() if answer.content else None


def find_house(client: httpx.Client, places: list[tuple[str, Path]]) -> tuple[str, Path]:
    """Return address and state folder of the first house that answers."""
    for url, state in places:
        try:
            if (state / "identity").is_dir() and client.get(f"{url}/intake/livez").status_code == httpx.codes.OK:
                return url, state
        except httpx.HTTPError:
            continue
    message = "no house answers; start `make run` or `make stack` in another terminal first"
    raise StoryError(message)


def wait_for(what: str, look: Callable[[], Any]) -> Any:
    """Return what `look` finds once it is true."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    message = f"waited {PATIENCE:.0f} s in vain: {what}"
    raise StoryError(message)


def check(holds: object, what: str) -> None:
    """End the story unless this holds."""
    if not holds:
        message = f"not as told: {what}"
        raise StoryError(message)
