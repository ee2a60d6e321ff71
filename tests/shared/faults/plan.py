"""What a child process of these tests is told, by its environment, and how tests start and await one."""

import asyncio
import os
import subprocess
import sys
from typing import Self

from pydantic import BaseModel

from shared.bus import Carrier
from shared.runtime import Runtime
from tests.shared.faults.world import CONSUMER, World, embedded, kafka, open_runtime

VARIABLE = "FAULTS_PLAN"
DEADLINE = 150.0
"""Seconds in which a child must have done what it is there for; generous, and no measure of speed."""


class Plan(BaseModel):
    """Where the two services are, how events travel, when to die (0: never), and where to wait."""

    service: str
    producer_url: str
    consumer_url: str
    bootstrap: str | None = None
    die_at: int = 0
    gate: str = ""
    """A folder in which the child says `in_hand`, and the test `go_on`."""

    @classmethod
    def of(cls, world: World, *, bootstrap: str | None = None, die_at: int = 0, gate: str = "") -> Self:
        """Return the plan for a child in a test's world."""
        return cls(
            service=world.service,
            producer_url=world.producer.settings.database_url.get_secret_value(),
            consumer_url=world.consumer.settings.database_url.get_secret_value(),
            bootstrap=bootstrap,
            die_at=die_at,
            gate=gate,
        )

    @classmethod
    def told(cls) -> Self:
        """Read what the parent wrote."""
        return cls.model_validate_json(os.environ[VARIABLE])

    def world(self) -> World:
        """Open the same services in this process."""
        return World(open_runtime(self.service, self.producer_url), open_runtime(CONSUMER, self.consumer_url))

    def carrier(self, consumer: Runtime, topic: str) -> Carrier:
        """Return the carrier of this plan."""
        return kafka(self.bootstrap, self.service) if self.bootstrap else embedded(consumer, topic)

    def start(self, module: str) -> "subprocess.Popen[bytes]":
        """Start `tests.shared.faults.<module>` with this plan."""
        command = [sys.executable, "-m", f"tests.shared.faults.{module}"]
        return subprocess.Popen(command, env={**os.environ, VARIABLE: self.model_dump_json()})


async def ended(child: "subprocess.Popen[bytes]") -> int:
    """Wait for a child and return how it ended: minus the signal that killed it."""
    return await asyncio.to_thread(child.wait, DEADLINE)
