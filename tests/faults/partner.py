"""A partner that is told of referrals while parts of the house are broken; it may take its time to answer."""

import threading
import time
from collections import Counter
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from sqlmodel import col, func, select

from services.referral.models import Delivery
from shared.bus import Retry
from tests.faults.street import Street
from tests.referral.partners import Partners

PAUSE = 0.1


class Partner(AbstractContextManager["Partner"]):
    """Listens on a free port; `told` counts the messages by their ids, `in_hand` is set while one is being taken."""

    def __init__(self) -> None:
        self.told: Counter[str] = Counter()
        self.in_hand = threading.Event()
        self.seconds = 0.0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/hook"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        partner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                partner.in_hand.set()
                time.sleep(partner.seconds)
                partner.told[self.headers["webhook-id"]] += 1
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler


class Referring(AbstractContextManager["Referring"]):
    """Lets one referral after another be asked of a partner that is listed, whatever befalls the database."""

    def __init__(self, street: Street, partners: Partners) -> None:
        self._partners = partners
        self._street = street
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._refer)
        self.asked = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)

    def delivered(self) -> bool:
        """Whether there is a message for each referral, and each was delivered."""
        return self._count() >= self.asked and self._count(col(Delivery.status) != "delivered") == 0

    def leased(self) -> int:
        """Count the messages that a dispatcher has in hand, or that were left in the hand of one that is gone."""
        return self._count(col(Delivery.lease_token).is_not(None))

    def _count(self, *conditions: Any) -> int:
        with self._street.session("referral") as session:
            return session.exec(select(func.count()).select_from(Delivery).where(*conditions)).one()

    def _refer(self) -> None:
        while not self._stop.wait(PAUSE):
            event = self._partners.requested()
            while not self._told(event):
                self._stop.wait(PAUSE)
            self.asked += 1

    def _told(self, event: Any) -> bool:
        try:
            self._street.handle("referral", event, key=event.case_id)
        except Retry:
            return False
        return True
