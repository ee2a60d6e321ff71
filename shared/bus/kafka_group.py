"""One membership in a consumer group of Kafka: a task per partition that hands over its records one after another."""

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import CorruptRecordException, KafkaError, UnsupportedCodecError

from shared.bus import Accept, Record, Retry
from shared.bus.kafka_brokers import Brokers
from shared.bus.kafka_raw import Placed, read_batch, readable
from shared.bus.kafka_topics import ensure_topics

log = logging.getLogger("baoho.bus")

CHUNK = 100
"""Records taken from a partition at a time."""
FETCH_MS = 5_000
FETCH_BYTES = 8 * 1024 * 1024
UNREADABLE_SECONDS = 2.0
COMMIT_EVERY = 1.0
COMMIT_SECONDS = 4.0
FINISH_SECONDS = 8.0
"""How long an event in hand may take when we are told to stop."""
LET_GO_SECONDS = 3.0
"""How long closing a client may take; that of the consumer and of the producer, and the above, stay below 15."""
REVOKE_SECONDS = 35.0
"""How long it may take when partitions move: below the 40 s after which a waiting member's join request times out."""

Tries = dict[TopicPartition, tuple[int, int]]
"""Per partition the offset of the record that failed last, and how many of its tries counted."""

_closing: set[asyncio.Task[None]] = set()


async def let_go(closing: Coroutine[Any, Any, None]) -> None:
    """Wait for a client to close, but not longer than `LET_GO_SECONDS`.

    A broker that hangs keeps aiokafka waiting until its requests time out. The closing is not cancelled then, because
    a half-closed client goes on for ever; it ends by itself in the background.
    """
    task = asyncio.create_task(closing)
    _closing.add(task)
    task.add_done_callback(_closing.discard)
    await asyncio.wait({task}, timeout=LET_GO_SECONDS)
    if task.done() and (error := task.exception()) is not None:
        log.warning("close_failed", extra={"error": type(error).__name__})


@dataclass(frozen=True, slots=True)
class Service:
    """Who consumes: where its brokers are, its group, and what it does with a record."""

    brokers: Brokers
    group: str
    client_id: str
    replication: int
    accept: Accept
    tries: Tries = field(default_factory=dict)


class Membership(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka does not type its listener
    """A member of the group: it reads the partitions it is given until it is stopped or something breaks."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._readers: dict[TopicPartition, PartitionReader] = {}
        self._broken: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
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

    async def run(self, topics: Sequence[str], stop: asyncio.Event) -> None:
        """Read until `stop`, then finish and commit the events in hand; raise when the membership broke.

        Cancelled, it leaves at once: an event in hand is not committed, and comes again to whoever gets the partition.
        """
        starting = asyncio.create_task(self._join(topics))
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
            await _cancel(starting, stopping, *(reader.task for reader in self._readers.values()))
            await let_go(self._consumer.stop())
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
        self._readers = {}

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
        """Stop all readers, each after the event it has in hand; give up on those that take longer."""
        for reader in self._readers.values():
            reader.halt()
        tasks = [reader.task for reader in self._readers.values()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=seconds)
            if late:
                log.warning("event_in_hand_left", extra={"partitions": len(late)})
                await _cancel(*late)

    def _fail(self, error: BaseException) -> None:
        """Note that a reader ended with an error: this membership is given up, and a new one made."""
        if not self._broken.done():
            self._broken.set_result(error)


class PartitionReader:
    """Hands over the records of one partition, one at a time and in order, and commits what is done."""

    def __init__(
        self, service: Service, consumer: AIOKafkaConsumer, place: TopicPartition, fail: Callable[[BaseException], None]
    ) -> None:
        self._service = service
        self._consumer = consumer
        self._place = place
        self._fail = fail
        self._done: int | None = None
        self._committed: int | None = None
        self._busy = False
        self._halted = False
        self.position: int | None = None
        """Offset of the next record to be handled; None until the group's committed offset is known."""
        self.task = asyncio.create_task(self._run(), name=f"{place.topic}-{place.partition}")
        self.task.add_done_callback(self._ended)

    def halt(self) -> None:
        """Stop after the event in hand; at once when there is none."""
        self._halted = True
        if not self._busy:
            self.task.cancel()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    async def _run(self) -> None:
        while not self._halted:
            self.position = await self._consumer.position(self._place)
            records = await self._fetch()
            self._busy = True
            retry = await self._hand_over(records)
            self._busy = False
            if retry is not None and not self._halted:
                await self._rest(retry)

    async def _fetch(self) -> list[Placed]:
        """Return the next records, or none after a while without any."""
        try:
            fetched = await self._consumer.getmany(self._place, timeout_ms=FETCH_MS, max_records=CHUNK)
        except (UnicodeDecodeError, CorruptRecordException, UnsupportedCodecError):
            return await self._fetch_raw()
        return [(message.offset, _record(message)) for message in fetched.get(self._place, ())]

    async def _fetch_raw(self) -> list[Placed]:
        """Read one batch ourselves: aiokafka stays for ever before a record whose header name is no UTF-8."""
        start = await self._consumer.position(self._place)
        where = {"topic": self._place.topic, "partition": self._place.partition, "offset": start}
        log.warning("undecodable_batch", extra=where)
        try:
            records, behind = await read_batch(self._service.brokers, self._service.client_id, self._place, start)
        except KafkaError as error:
            # Damaged, or in a codec that we lack: this partition waits for its operator, the others go on.
            log.error("unreadable_batch", extra=where | {"error": type(error).__name__})
            await asyncio.sleep(UNREADABLE_SECONDS)
            return []
        self._consumer.seek(self._place, behind)
        return records

    async def _hand_over(self, records: list[Placed]) -> Retry | None:
        """Have the records accepted in order and commit those that were; return a request to come again."""
        clock = asyncio.get_running_loop().time
        committed_at = clock()
        retry = None
        for offset, record in records:
            if self._halted:
                break
            retry = await asyncio.to_thread(_attempt, self._service.accept, record, self._tries(offset))
            if retry is not None:
                self._go_back(offset, retry)
                break
            self._done = self.position = offset + 1
            if clock() - committed_at > COMMIT_EVERY:
                await self._commit()
                committed_at = clock()
        await self._commit()
        return retry

    def _tries(self, offset: int) -> int:
        failed, tries = self._service.tries.get(self._place, (offset, 0))
        return tries if failed == offset else 0

    def _go_back(self, offset: int, retry: Retry) -> None:
        """Return to a record that is to come again, and fetch nothing of its partition meanwhile."""
        self._service.tries[self._place] = offset, self._tries(offset) + retry.counts
        self._consumer.pause(self._place)
        self._consumer.seek(self._place, offset)

    async def _rest(self, retry: Retry) -> None:
        await asyncio.sleep(retry.after * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load
        self._consumer.resume(self._place)

    async def _commit(self) -> None:
        """Commit what is done; where that fails, a later commit covers it, or the events come again."""
        if self._done is None or self._done == self._committed:
            return
        done = self._done
        try:
            async with asyncio.timeout(COMMIT_SECONDS):
                await self._consumer.commit({self._place: done})
        except (KafkaError, TimeoutError) as error:
            log.warning("commit_failed", extra={"partition": self._place.partition, "error": type(error).__name__})
        else:
            self._committed = done


def _attempt(accept: Accept, record: Record, tries: int) -> Retry | None:
    """Run `accept` (in a thread) and return its request to come again, if it made one.

    Nothing may be raised out of the thread: a `StopIteration`, for one, would never arrive and hold the partition.
    """
    try:
        accept(record, tries)
    except Retry as retry:
        return retry
    except Exception as error:  # noqa: BLE001 - whatever broke, the partition must go on
        where = {"topic": record.topic, "error": type(error).__name__}
        log.error("accept_failed", extra=where)
        return Retry(1.0, counts=False)
    return None


def _record(message: ConsumerRecord[bytes, bytes]) -> Record:
    key = None if message.key is None else readable(message.key)
    return Record(message.topic, key, tuple(message.headers), message.value)


async def _cancel(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
