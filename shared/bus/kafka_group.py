"""One membership in a consumer group of Kafka: a task per partition that hands over its records in their order."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import KafkaError

from shared.bus.kafka_clients import begins_whole, let_go
from shared.bus.kafka_reader import PartitionReader, Service
from shared.bus.kafka_topics import ensure_topics

log = logging.getLogger("baoho.bus")

FETCH_BYTES = 8 * 1024 * 1024
COMMIT_EVERY = 1.0
"""One request for all partitions; what a killed member had not committed comes again, and has no second effect."""
COMMIT_SECONDS = 4.0
FINISH_SECONDS = 8.0
"""How long an event in hand may take when we are told to stop; with what consumer and producer take to close, below 15."""
REVOKE_SECONDS = 35.0
"""How long it may take when partitions move: below the 40 s after which a waiting member's join request times out."""


class Membership(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka does not type its listener
    """A member of the group: it reads the partitions it is given until it is stopped or something breaks."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._readers: dict[TopicPartition, PartitionReader] = {}
        self._broken: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        self._committed: dict[TopicPartition, int] = {}
        self._leaving = False
        self.joined = False
        self._consumer = AIOKafkaConsumer(
            **service.brokers.options,
            group_id=service.group,
            client_id=service.client_id,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=30_000,
            heartbeat_interval_ms=3_000,
            rebalance_timeout_ms=60_000,
            fetch_max_bytes=FETCH_BYTES,
        )
        begins_whole(self._consumer._client)  # noqa: SLF001 - aiokafka shows a consumer's client nowhere else

    async def run(self, topics: Sequence[str], stop: asyncio.Event) -> None:
        """Read until `stop`, then finish and commit the events in hand; raise when the membership broke.

        Cancelled, it leaves at once: an event in hand is not committed, and comes again to whoever gets the partition.
        """
        starting = asyncio.create_task(self._join(topics))
        committing = asyncio.create_task(self._commit_often())
        stopping = asyncio.create_task(stop.wait())
        ends: list[asyncio.Future[Any]] = [self._broken, stopping]
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                await starting
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            self._leaving = True
            await self._halt(FINISH_SECONDS)
        finally:
            self._leaving = True
            self.joined = False
            await _cancel(starting, stopping, committing, *(reader.task for reader in self._readers.values()))
            await let_go(self._consumer.stop(), self._consumer._client)  # noqa: SLF001 - as above
        if self._broken.done():
            raise self._broken.result()

    async def _join(self, topics: Sequence[str]) -> None:
        """Join the group; a topic that its owner has not made yet is made here, and holds nobody up."""
        await ensure_topics(self._service.brokers, topics, replication=self._service.replication)
        self._consumer.subscribe(list(topics), listener=self)
        await self._consumer.start()

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:  # noqa: ARG002
        """Finish and commit the events in hand before somebody else gets the partitions; heartbeats go on meanwhile."""
        self.joined = False
        await self._halt(REVOKE_SECONDS)
        self._readers, self._committed = {}, {}

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Begin to read what is ours now, from where the group has committed."""
        if self._leaving:
            return
        self._readers = {place: PartitionReader(self._service, self._consumer, place, self._fail) for place in assigned}
        self.joined = True

    def lag(self) -> int | None:
        """Return how many records lie in our partitions that were not handled yet; None while that is unknown."""
        if not self.joined:
            return None
        total = 0
        for place, reader in self._readers.items():
            if reader.position is None or (end := self._consumer.highwater(place)) is None:
                return None
            total += max(0, end - reader.position)
        return total

    async def _halt(self, seconds: float) -> None:
        """Stop all readers, each after what it has in hand, and commit; give up on those that take longer."""
        tasks = [reader.task for reader in self._readers.values()]
        for reader in self._readers.values():
            reader.halt()
        if not tasks:
            return
        finishing = asyncio.create_task(self._finish(tasks))
        try:
            _, late = await asyncio.wait({finishing}, timeout=seconds)
            if late:
                log.warning("event_in_hand_left", extra={"partitions": sum(not task.done() for task in tasks)})
        finally:
            await _cancel(finishing, *tasks)

    async def _finish(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        await asyncio.wait(tasks)
        await self._commit()

    async def _commit_often(self) -> None:
        """Commit what is done every second; an error that no later commit would mend breaks the membership."""
        try:
            while True:
                await asyncio.sleep(COMMIT_EVERY)
                await self._commit()
        except Exception as error:  # noqa: BLE001 - as with readers, whatever broke
            self._fail(error)

    async def _commit(self) -> None:
        """Commit what is done; where that fails, a later commit covers it, or the events come again."""
        done = {place: reader.done for place, reader in self._readers.items() if reader.done is not None}
        news = {place: offset for place, offset in done.items() if self._committed.get(place) != offset}
        if not news:
            return
        try:
            async with asyncio.timeout(COMMIT_SECONDS):
                await self._consumer.commit(news)
        except (KafkaError, TimeoutError) as error:
            log.warning("commit_failed", extra={"partitions": len(news), "error": type(error).__name__})
        else:
            self._committed |= news

    def _fail(self, error: BaseException) -> None:
        """Note that a part of us ended with an error: this membership is given up, and a new one made."""
        if not self._broken.done():
            self._broken.set_result(error)


async def _cancel(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
