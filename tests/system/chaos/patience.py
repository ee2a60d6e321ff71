"""How a good client behaves: the same request with the same key until it is answered, no sooner than it was told."""

import time
from typing import Final

import httpx

GIVE_UP: Final = 600.0
"""Seconds after which even a patient client calls someone."""
PAUSE: Final = 0.5
LATER: Final = frozenset({429, 502, 503, 504})


class Patient(httpx.BaseTransport):
    """Repeats what was not answered; a `POST` carries its idempotency key, so that repeating it is harmless."""

    def __init__(self) -> None:
        self._inner = httpx.HTTPTransport()
        self.repeated = 0
        self.rude: list[str] = []
        """Answers that left a client alone: no problem+json, or no word on when to come back."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return the first answer that is one."""
        deadline = time.monotonic() + GIVE_UP
        while True:
            answer = self._ask(request)
            if answer is not None and not _says_later(answer):
                return answer
            if time.monotonic() > deadline:
                told = f"{answer.status_code} {answer.text[:300]}" if answer is not None else "nothing"
                message = f"{request.method} {request.url.path} got no answer in {GIVE_UP:.0f} s but {told}"
                raise AssertionError(message)
            self.repeated += 1
            if answer is not None and not _is_polite(answer):
                self.rude.append(f"{request.method} {request.url.path}: {answer.status_code} {dict(answer.headers)}")
            time.sleep(_pause(answer))

    def _ask(self, request: httpx.Request) -> httpx.Response | None:
        try:
            answer = self._inner.handle_request(request)
            answer.read()
        except httpx.TransportError:
            return None
        return answer

    def close(self) -> None:
        """Let go of the connections."""
        self._inner.close()


def _says_later(answer: httpx.Response) -> bool:
    """Say whether the answer asks for patience; a key that is in use by our own lost request does as well."""
    return answer.status_code in LATER or (
        answer.status_code == httpx.codes.CONFLICT and "retry-after" in answer.headers
    )


def _pause(answer: httpx.Response | None) -> float:
    return float(answer.headers.get("retry-after", PAUSE)) if answer is not None else PAUSE


def _is_polite(answer: httpx.Response) -> bool:
    told_when = "retry-after" in answer.headers or answer.status_code in {502, 504}
    return told_when and answer.headers.get("content-type") == "application/problem+json"
