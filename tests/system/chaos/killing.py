"""What kills the parts of the stack, one at a time and by surprise, and starts each again as a supervisor would."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from deploy.gateway import GatewayError
from deploy.kafka.broker import BrokerError
from deploy.postgres import ServerError
from deploy.stack import Stack
from deploy.topology import Process

RESTART = 120.0
"""Seconds in which a supervisor must have brought a part back."""


class Killer:
    """Kills by SIGKILL in a shuffled order in which each part comes once before any comes again."""

    def __init__(self, stack: Stack, dice: random.Random) -> None:
        self._stack = stack
        self._dice = dice
        self._processes = {process.name: process for process in stack.described()}
        self._away: set[str] = set()
        self._supervisors = ThreadPoolExecutor(max_workers=4)
        self.kills: Counter[str] = Counter()
        self.failures: list[str] = []

    def run(self, kills: int, pause: float) -> None:
        """Kill so many times, about `pause` seconds apart; return when everything is back."""
        victims = self._victims()
        for _ in range(kills):
            time.sleep(self._dice.uniform(0.5, 1.5) * pause)
            self._kill(next(name for name in victims if name not in self._away))
        self._supervisors.shutdown(wait=True)
        self._stack.wait_ready()

    def _victims(self) -> Iterator[str]:
        names = [*self._processes, "gateway", "kafka", "postgres"]
        while True:
            self._dice.shuffle(names)
            yield from names

    def _kill(self, name: str) -> None:
        self.kills[name] += 1
        self._away.add(name)
        self._supervisors.submit(self._kill_and_restart, name)

    def _kill_and_restart(self, name: str) -> None:
        try:
            match name:
                case "gateway":
                    self._stack.gateway.kill()
                    _again(self._stack.gateway.start)
                case "kafka":
                    self._stack.broker.kill()
                    _again(self._stack.broker.start)
                case "postgres":
                    self._kill_postgres()
                case _:
                    self._restart(self._processes[name])
        except Exception as error:  # noqa: BLE001 - told at the end of the run
            self.failures.append(f"{name}: {error!r}")
        finally:
            self._away.discard(name)

    def _restart(self, process: Process) -> None:
        running = self._stack.processes[process.name]
        running.kill()
        running.wait()
        self._stack.launch(process)

    def _kill_postgres(self) -> None:
        pid = self._stack.database.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        while self._stack.database.pid is not None:
            time.sleep(0.02)
        _again(self._stack.database.start)


def _again(start: Callable[[], None]) -> None:
    """Start it, and once more if what was killed is not quite gone."""
    deadline = time.monotonic() + RESTART
    while True:
        try:
            start()
        except (GatewayError, BrokerError, ServerError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return
