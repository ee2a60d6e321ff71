"""The run: threads play one journey after the other while the killer is at work; afterwards everything is counted."""

import os
import random
import secrets
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx

from deploy.demo.stage import Person
from deploy.demo.story import OFFICE
from deploy.identity.demo import LEGAL_AID_ORG, SHELTER_ORG
from deploy.reconcile.counting import Line, reconcile
from deploy.stack import Stack
from deploy.topology import SERVICES
from shared.clock import now
from shared.db import conninfo
from tests.system.chaos.ears import Ears
from tests.system.chaos.journeys import Journey
from tests.system.chaos.killing import Killer
from tests.system.chaos.patience import Patient

QUIET = 300.0
"""Seconds in which everything must have come to rest: leases of killed processes last 60 s, each try of a fetch longer."""
BEDS = 10_000


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of it."""

    threads: int
    kills: int
    pause: float
    """Seconds between kills, on average."""

    @classmethod
    def of_this_run(cls) -> "Plan":
        """Return the full size under SOAK=1: 100 kills in 5 minutes; else a small form."""
        full = os.environ.get("SOAK") == "1"
        return cls(threads=16, kills=100, pause=3.0) if full else cls(threads=3, kills=6, pause=1.2)


@dataclass(slots=True)
class Told:
    """What came of it."""

    seed: str
    begun: int = 0
    finished: list[Journey] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    repeated: int = 0
    rude: list[str] = field(default_factory=list)
    kills: Mapping[str, int] = field(default_factory=Counter)
    seconds: float = 0.0

    def __str__(self) -> str:
        return (
            f"seed {self.seed}: {self.begun} journeys begun, {len(self.finished)} finished, {sum(self.kills.values())}"
            f" kills ({', '.join(f'{name} {times}' for name, times in sorted(self.kills.items()))}),"
            f" {self.repeated} requests repeated, {self.seconds:.0f} s"
        )


class Storm:
    """One run on a stack; `CHAOS_SEED` repeats the order of kills and the endings of an earlier one."""

    def __init__(self, stack: Stack, ears: Ears, plan: Plan) -> None:
        self._stack = stack
        self._ears = ears
        self._plan = plan
        self._over = threading.Event()
        self._lock = threading.Lock()
        self.told = Told(os.environ.get("CHAOS_SEED") or secrets.token_hex(4))

    def rage(self) -> Told:
        """Play and kill; return when the last journey has ended, well or not."""
        began = time.monotonic()
        sys.stdout.write(f"\nchaos: CHAOS_SEED={self.told.seed}\n")
        self._prepare()
        players = [threading.Thread(target=self._play, args=(number,)) for number in range(self._plan.threads)]
        killer = Killer(self._stack, random.Random(self.told.seed))  # noqa: S311 - it must be repeatable
        for player in players:
            player.start()
        try:
            killer.run(self._plan.kills, self._plan.pause)
        finally:
            self._over.set()
            for player in players:
                player.join()
        self.told.kills, self.told.seconds = killer.kills, time.monotonic() - began
        self.told.failures += killer.failures
        return self.told

    def _prepare(self) -> None:
        with self._client() as client:
            lawyer, shelter = (self._manager(client, org) for org in (LEGAL_AID_ORG, SHELTER_ORG))
            self._ears.register("lawyer", lawyer)
            self._ears.register("shelter", shelter)
            officer = Person(client, self._stack.state, "osso_officer", **OFFICE)
            services = officer.get("/referral/v1/services", service_type="shelter", limit=100)["items"]
            mine = next(service["id"] for service in services if service["organization_id"] == str(SHELTER_ORG))
            shelter.put(f"/referral/v1/services/{mine}/capacities/women", {"total": BEDS})

    def _manager(self, client: httpx.Client, organization: Any) -> Person:
        return Person(client, self._stack.state, "partner_manager", org=organization)

    def _client(self) -> httpx.Client:
        return httpx.Client(base_url=self._stack.public_url, timeout=30, transport=Patient())

    def _play(self, number: int) -> None:
        dice = random.Random(f"{self.told.seed} {number}")  # noqa: S311
        transport = Patient()
        with httpx.Client(base_url=self._stack.public_url, timeout=30, transport=transport) as client:
            while not self._over.is_set() and not self.told.failures:
                self._once(Journey(client, self._stack.state, self._ears, dice))
        with self._lock:
            self.told.repeated += transport.repeated
            self.told.rude += transport.rude

    def _once(self, journey: Journey) -> None:
        with self._lock:
            self.told.begun += 1
        try:
            journey.play()
        except Exception:  # noqa: BLE001 - whatever it was, it is told
            where = f"{journey.reference} {journey.ending} {vars(journey).get('case_id')}"
            self.told.failures.append(f"{where}\n{traceback.format_exc(limit=-4)}")
        else:
            self.told.finished.append(journey)


def addresses(stack: Stack) -> dict[str, str]:
    """Return where the databases are, as the services reach them."""
    return {service.name: conninfo(stack.database.url(service.name)) for service in SERVICES}


def at_rest(stack: Stack) -> list[Line]:
    """Count until nothing is in flight and nothing broken, or patience ends; nothing is excused for being young."""
    deadline = time.monotonic() + QUIET
    while True:
        lines = reconcile(addresses(stack), now() + timedelta(days=1))
        if not [line for line in lines if line.in_flight or line.broken] or time.monotonic() > deadline:
            return lines
        time.sleep(1)
