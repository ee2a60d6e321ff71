"""An office and a clerk who register and search without a pause, and note whatever went wrong."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from tests.intake.world import PERSON, World
from tests.registry.arranged import Registry


def person(number: int) -> dict[str, Any]:
    """Return someone whom no other number is like."""
    return {**PERSON, "name": f"Nguyễn Thị Số{number}", "document_number": f"040196{number:06d}"}


def found(world: World, **by: Any) -> int:
    """Return how many people an officer finds."""
    answer = world.post("/people/search", by)
    assert answer.status_code == 200, answer.text
    return len(answer.json()["items"])


class Busy:
    """Both at work on threads of their own, until the end of the block."""

    def __init__(self, world: World, registry: Registry) -> None:
        self.world, self.registry = world, registry
        self.failures: list[str] = []
        self.rounds = {"office": 0, "clerk": 0}
        self._done = threading.Event()
        self._answering = {"intake": threading.Lock(), "registry": threading.Lock()}
        works = {"office": self._office, "clerk": self._clerk}
        self._threads = [threading.Thread(target=self._work, args=each) for each in works.items()]
        registry.agency()  # The client is made before anyone else asks for it.

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join(timeout=60)

    def restarting(self, service: str) -> threading.Lock:
        """Hold back the requests to a service, as a restart does once it has answered what it took."""
        return self._answering[service]

    def go_on(self) -> None:
        """Return when each has done three more rounds."""
        wanted, deadline = {name: number + 3 for name, number in self.rounds.items()}, time.monotonic() + 60
        while any(self.rounds[name] < number for name, number in wanted.items()):
            assert time.monotonic() < deadline, self.failures
            time.sleep(0.01)

    def _work(self, name: str, work: Callable[[int], None]) -> None:
        while not self._done.is_set():
            try:
                work(self.rounds[name])
            except Exception as error:  # noqa: BLE001 - whatever it was, the test tells it
                self.failures.append(f"{name} {self.rounds[name]}: {error!r}")
            self.rounds[name] += 1

    def _office(self, number: int) -> None:
        with self._answering["intake"]:
            self.world.register(person=person(number))
        document = {"document": "cccd", "document_number": person(number)["document_number"]}
        finds = [found(self.world, name=person(number)["name"]), found(self.world, **document)]
        finds.append(found(self.world, name=person(0)["name"]))
        assert finds == [1, 1, 1]

    def _clerk(self, number: int) -> None:
        details = {"name": f"Trần Văn Số{number}", "document_number": f"001301{number:06d}"}
        with self._answering["registry"]:
            worker = self.registry.worker(**details)
        again = self.registry.post("/workers", {"person": worker["person"], "province": "01"})
        finds = self.registry.post("/workers/search", {"name": details["name"]}).json()["items"]
        assert (again.status_code, [item["id"] for item in finds]) == (409, [worker["id"]])
