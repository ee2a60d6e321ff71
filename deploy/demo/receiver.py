"""A partner's web server, as a partner would write it: it takes webhooks and believes only those that are signed."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

BODY_LIMIT = 65_536


class Receiver:
    """Listens on a free port of this machine; `received` holds the verified messages by referral."""

    def __init__(self) -> None:
        self.secrets: dict[str, str] = {}
        self.received: list[dict[str, Any]] = []
        self.refused = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)

    def url(self, partner: str) -> str:
        """Return the address that a partner registers."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/{partner}"

    def messages(self, referral_id: str, kind: str) -> list[dict[str, Any]]:
        """Return the verified messages of one type about one referral."""
        return [body for body in self.received if body["type"] == kind and body["data"]["referral_id"] == referral_id]

    def take(self, partner: str, headers: dict[str, str], body: bytes) -> bool:
        """Verify with the public package of the standard; keep what holds."""
        try:
            Webhook(self.secrets[partner]).verify(body, headers)
        except (KeyError, WebhookVerificationError):
            self.refused += 1
            return False
        self.received.append(json.loads(body))
        return True

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(min(int(self.headers.get("content-length", "0")), BODY_LIMIT))
                headers = {name.lower(): value for name, value in self.headers.items()}
                accepted = receiver.take(self.path.strip("/"), headers, body)
                self.send_response(204 if accepted else 401)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Stay silent: the story speaks."""

        return Handler
