"""The partners' web server: it keeps each verified message with the id it came under."""

import threading
from collections import defaultdict

from deploy.demo.receiver import Receiver
from deploy.demo.stage import Person


class Ears(Receiver):
    """Listens for all partners; `heard` holds what came under each `webhook-id`, once for each time it came."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: dict[str, list[bytes]] = defaultdict(list)
        self._lock = threading.Lock()

    def take(self, partner: str, headers: dict[str, str], body: bytes) -> bool:
        """Verify, and keep what holds under its id."""
        with self._lock:
            accepted = super().take(partner, headers, body)
            if accepted:
                self.heard[headers["webhook-id"]].append(body)
        return accepted

    def register(self, name: str, manager: Person) -> None:
        """Let a partner's manager name its address here."""
        endpoint = manager.post("/referral/v1/endpoints", {"url": self.url(name)})
        self.secrets[name] = endpoint["secret"]
