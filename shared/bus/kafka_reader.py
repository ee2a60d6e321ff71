"""Hands over the records of one partition in their order, and returns to one that is to come again."""

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import CorruptRecordException, KafkaError, UnsupportedCodecError

from shared.bus import Accept, Record, Retry, Together, none_together
from shared.bus.kafka_brokers import Brokers
from shared.bus.kafka_raw import Placed, read_batch, readable

log = logging.getLogger("baoho.bus")

CHUNK = 20
"""Records taken from a partition at a time: so many may share a transaction, and are finished when we are told to stop."""
FETCH_MS = 5_000
UNREADABLE_SECONDS = 2.0

Tries = dict[TopicPartition, tuple[int, int]]
"""Per partition the offset of the record that failed last, and how many of its tries counted."""


@dataclass(frozen=True, slots=True)
class Service:
    """Who consumes: where its brokers are, its group, and what it does with a record."""

    brokers: Brokers
    group: str
    client_id: str
    replication: int
    accept: Accept
    together: Together = none_together
    tries: Tries = field(default_factory=dict)


class PartitionReader:
    """Hands over the records of one partition in their order."""

    def __init__(
        self, service: Service, consumer: AIOKafkaConsumer, place: TopicPartition, fail: Callable[[BaseException], None]
    ) -> None:
        self._service = service
        self._consumer = consumer
        self._place = place
        self._fail = fail
        self._busy = False
        self._halted = False
        self.position: int | None = None
        """Offset of the next record to be handled; None until the group's committed offset is known."""
        self.done: int | None = None
        """Offset behind what is handled, to be committed; None while nothing was."""
        self.task = asyncio.create_task(self._run(), name=f"{place.topic}-{place.partition}")
        self.task.add_done_callback(self._ended)

    def halt(self) -> None:
        """Stop after what is in hand; at once when there is nothing."""
        self._halted = True
        if not self._busy:
            self.task.cancel()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._halted = True
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    async def _run(self) -> None:
        while not self._halted:
            self.position = await self._consumer.position(self._place)
            records = await self._fetch()
            self._busy = True
            retry = await asyncio.to_thread(self._hand_over, records) if records else None
            self._busy = False
            if retry is not None and not self._halted:
                await self._come_again(retry)

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

    def _hand_over(self, records: list[Placed]) -> Retry | None:
        """Have the records handled, together if they can be; return a request to come again with the first that was not."""
        if self._tries(records[0][0]) == 0:
            done = self._service.together([record for _, record in records], lambda: not self._halted)
            if done:
                self._finish(records[done - 1][0])
                records = records[done:]
        for offset, record in records:
            if self._halted:
                break
            if (retry := _attempt(self._service.accept, record, self._tries(offset))) is not None:
                self._service.tries[self._place] = offset, self._tries(offset) + retry.counts
                return retry
            self._finish(offset)
        return None

    def _finish(self, offset: int) -> None:
        self.done = self.position = offset + 1

    def _tries(self, offset: int) -> int:
        failed, tries = self._service.tries.get(self._place, (offset, 0))
        return tries if failed == offset else 0

    async def _come_again(self, retry: Retry) -> None:
        """Return to the record that failed, after a while in which nothing of its partition is fetched."""
        failed, _ = self._service.tries[self._place]
        self._consumer.pause(self._place)
        self._consumer.seek(self._place, failed)
        await asyncio.sleep(retry.after * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load
        self._consumer.resume(self._place)


def _attempt(accept: Accept, record: Record, tries: int) -> Retry | None:
    """Run `accept` and return its request to come again, if it made one.

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
