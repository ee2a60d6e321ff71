"""Apache Kafka as a carrier: one batch per partition at a time on the way out, one consumer group on the way in."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Iterable, Sequence
from functools import lru_cache

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from shared.bus import Accept, CarrierDown, Record, Together, none_together
from shared.bus.kafka_brokers import Brokers, brokers_at
from shared.bus.kafka_clients import begins_whole, let_go
from shared.bus.kafka_group import Membership
from shared.bus.kafka_reader import Service
from shared.bus.kafka_topics import REQUEST_MS, ensure_topics

log = logging.getLogger("baoho.bus")

BATCH_BYTES = 512 * 1024
"""Most bytes of a record batch, and of one record; brokers refuse batches over 1 MiB."""
PUBLISH_SECONDS = 30.0
"""aiokafka gives a batch up within two request timeouts; past this, it hangs itself."""
PROBE_SECONDS = 2.0
ANSWER_SECONDS = 5.0
CONNECT_PAUSES = (0.2, 0.5, 1.0, 2.0)
RESTART_SECONDS = 1.0
KEYS_KNOWN = 16_384

_partition_of = DefaultPartitioner()


class RecordTooLarge(ValueError):
    """A record over `BATCH_BYTES`: it can never be published, and nothing of its list was."""


class KafkaCarrier:
    """Carries records through Kafka; `group` is the consuming service, `topics` are those it publishes to.

    `replication` is the number of brokers that keep each record: 1 for a single broker, 3 for a cluster.
    """

    def __init__(
        self, brokers: str | Brokers, group: str, *, client_id: str, topics: Sequence[str] = (), replication: int = 1
    ) -> None:
        self._brokers = brokers_at(brokers)
        self._group = group
        self._client_id = client_id
        self._topics = tuple(topics)
        self._replication = replication
        self._producer: AIOKafkaProducer | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._publishing = asyncio.Lock()
        self._broken = asyncio.Event()
        self._in_flight: list[asyncio.Future[object]] = []
        self._member: Membership | None = None

    async def start(self) -> None:
        """Return at once, even while the broker is away; connecting goes on in the background."""
        self._keeper = asyncio.create_task(self._keep_connected())

    async def stop(self) -> None:
        """Let go of the connections within 15 s; a `consume` that still runs is ended by its own `stop`."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait({self._keeper})

    def ready(self) -> bool:
        """Whether the broker answered lately, the topics exist, and we belong to our group if we consume."""
        return self._producer is not None and (self._member is None or self._member.joined)

    def lag(self) -> int | None:
        """Return how many records wait in the partitions we were given; None while we have none or do not know."""
        return None if self._member is None else self._member.lag()

    async def publish(self, records: Iterable[Record]) -> None:
        """Return when every record is stored by all replicas in sync; raise `CarrierDown` else, within half a minute.

        Per partition one batch is on its way at a time, and none follows one that failed: so the order per key holds
        when the same records are published again. Raises `RecordTooLarge` before anything is sent.
        """
        async with self._publishing:
            producer = self._producer
            if producer is None:
                raise CarrierDown("no connection to the broker")
            try:
                async with asyncio.timeout(PUBLISH_SECONDS):
                    await self._settle()
                    left = await self._publish_round(producer, records)
                    while left:
                        left = await self._publish_round(producer, left)
            except (KafkaError, OSError, TimeoutError) as error:
                self._producer = None
                self._broken.set()
                raise CarrierDown(type(error).__name__) from error

    async def consume(
        self, topics: Sequence[str], accept: Accept, stop: asyncio.Event, together: Together = none_together
    ) -> None:
        """Bring the records of `topics` to be handled until `stop`; whatever breaks, join the group anew and go on."""
        service = Service(self._brokers, self._group, self._client_id, self._replication, accept, together)
        try:
            while not stop.is_set():
                self._member = Membership(service)
                await self._belong(self._member, topics, stop)
        finally:
            self._member = None

    async def _belong(self, member: Membership, topics: Sequence[str], stop: asyncio.Event) -> None:
        """Consume as a member of the group until `stop` or an error; rest a moment after the latter."""
        try:
            await member.run(topics, stop)
        except Exception as error:  # noqa: BLE001 - a consumer never gives up, and the next membership starts clean
            log.warning("consumer_restarts", extra={"error": type(error).__name__})
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RESTART_SECONDS):
                    await stop.wait()

    async def _publish_round(self, producer: AIOKafkaProducer, waiting: Iterable[Record]) -> list[Record]:
        """Publish one batch per partition and return, in order, what did not fit."""
        batches, rest = await _fill(producer, waiting)
        for place, batch in batches.items():
            self._in_flight.append(await producer.send_batch(batch, place.topic, partition=place.partition))
        for error in await self._settle():
            raise error
        return rest

    async def _settle(self) -> list[BaseException]:
        """Wait until nothing is on its way any more, from a publish that was cancelled too; return what went wrong."""
        if not self._in_flight:
            return []
        done, _ = await asyncio.wait(self._in_flight)
        self._in_flight = []
        return [error for future in done if (error := future.exception()) is not None]

    async def _keep_connected(self) -> None:
        """Hold a producer; whenever the broker stops answering or a publish failed, replace it by a new one."""
        while True:
            producer = await self._connect()
            self._broken.clear()
            self._producer = producer
            try:
                while await self._holds(producer):
                    pass
            finally:
                self._producer = None
                await let_go(producer.stop(), producer.client)

    async def _connect(self) -> AIOKafkaProducer:
        """Return a started producer, with its topics there; try for ever."""
        failures = 0
        while True:
            producer = AIOKafkaProducer(
                **self._brokers.options,
                client_id=self._client_id,
                acks="all",
                # With idempotence aiokafka never gives up on a batch, nor lets go, while the broker is away.
                enable_idempotence=False,
                request_timeout_ms=REQUEST_MS,
                max_batch_size=BATCH_BYTES,
            )
            begins_whole(producer.client)
            try:
                await producer.start()
                await ensure_topics(self._brokers, self._topics, replication=self._replication)
            except Exception as error:  # noqa: BLE001 - whatever it is, a carrier that gave up would stay down
                await let_go(producer.stop(), producer.client)
                log.warning("not_connected", extra={"error": type(error).__name__})
            except BaseException:
                await let_go(producer.stop(), producer.client)
                raise
            else:
                return producer
            pause = CONNECT_PAUSES[min(failures, len(CONNECT_PAUSES) - 1)]
            failures += 1
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load, hides nothing

    async def _holds(self, producer: AIOKafkaProducer) -> bool:
        """Wait a moment, then tell whether the producer still serves: no publish failed, and the broker answers."""
        with contextlib.suppress(TimeoutError):
            # Never asyncio.wait_for: in Python 3.11 it forgets a cancellation that comes together with the event.
            async with asyncio.timeout(PROBE_SECONDS):
                await self._broken.wait()
        if self._broken.is_set():
            return False
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return bool(await producer.client.force_metadata_update())
        except (KafkaError, OSError, TimeoutError):
            return False


async def _fill(
    producer: AIOKafkaProducer, waiting: Iterable[Record]
) -> tuple[dict[TopicPartition, BatchBuilder], list[Record]]:
    """Put the records into one batch per partition; what follows a full batch in its partition is left over."""
    counts: dict[str, int] = {}
    batches: dict[TopicPartition, BatchBuilder] = {}
    left: list[Record] = []
    for record in waiting:
        key = None if record.key is None else record.key.encode()
        headers = list(record.headers)
        if record.topic not in counts:
            counts[record.topic] = len(await producer.partitions_for(record.topic))
        place = _place(record.topic, key, counts[record.topic])
        if place not in batches:
            batches[place] = producer.create_batch()
        # A batch always takes its first. One that could not take a record is closed, and takes none of the later ones either.
        taken = batches[place].append(timestamp=None, key=key, value=record.value, headers=headers)
        if taken is not None:
            _check_size(record, taken.size)
        else:
            _check_size(record, DefaultRecordBatchBuilder.estimate_size_in_bytes(key, record.value, headers))
            left.append(record)
    return batches, left


def _check_size(record: Record, size: int) -> None:
    if size > BATCH_BYTES:
        message = f"a record of {size} bytes for {record.topic} is over the {BATCH_BYTES} that fit into a batch"
        raise RecordTooLarge(message)


@lru_cache(KEYS_KNOWN)
def _place(topic: str, key: bytes | None, partitions: int) -> TopicPartition:
    """Return where a key's records lie; hashing a key costs more than all else that is done to a record here."""
    return TopicPartition(topic, _partition_of(key, range(partitions), None))
