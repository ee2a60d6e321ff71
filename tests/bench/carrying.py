"""The relay from the outbox to Kafka, beside a bare aiokafka producer that sends the same events in batches."""

import asyncio
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka import AIOKafkaProducer
from aiokafka.structs import TopicPartition
from psycopg import Connection
from psycopg.types.json import Jsonb

from deploy.kafka.access import grant
from deploy.kafka.broker import STATE, Broker, install
from deploy.state import bus_passwords
from shared.bus import Record
from shared.bus.kafka import BATCH_BYTES, KafkaCarrier
from shared.bus.kafka_brokers import Brokers
from shared.clock import now
from shared.contracts.intake import CaseOpened
from shared.db import conninfo
from shared.events import Envelope, headers_for, topic_of
from shared.ids import new_id
from shared.outbox import BATCH, Relay
from shared.process import freeze
from tests.bench import takeover
from tests.bench.findings import Finding, Size, ratio, spread
from tests.bench.parts import Parts
from tests.harness import free_port

RATIO = 0.5
AGGREGATES = 1_000
LOOK = 0.02
"""Seconds between two looks at the outbox."""
TOPIC = topic_of("intake")


@contextmanager
def kafka(parts: Parts) -> Iterator[Broker]:
    """Lend a broker with an empty folder, that lets each service in under its own name, as in the stack."""
    install(STATE)
    folder = parts.state / "kafka"
    shutil.rmtree(folder, ignore_errors=True)
    with Broker(STATE, free_port(), data=folder, passwords=bus_passwords(parts.state)) as broker:
        asyncio.run(grant(broker.admin))
        yield broker


def relay(parts: Parts, size: Size) -> list[Finding]:
    """Carry as many events each way, in turn, with the collector set as the worker sets it."""
    freeze()
    records = [_record() for _ in range(AGGREGATES)]
    rates: dict[str, list[float]] = {"ours": [], "bare": []}
    with kafka(parts) as broker, parts.fresh("intake") as database:
        for measured in range(size.rounds + 1):
            ours = asyncio.run(_relayed(parts, database, broker.as_user("intake"), records, size.events))
            bare = asyncio.run(_sent(broker.as_user("intake"), records, size.events))
            if measured:  # The first round made the topic and filled the caches.
                rates["ours"].append(size.events / ours)
                rates["bare"].append(size.events / bare)
        taken_over = takeover.of_the_relay(parts, database, size)
    part = ratio(rates["ours"], rates["bare"])
    return [
        Finding(
            f"relay, outbox to Kafka, {size.events:,} events",
            spread(rates["ours"], " events/s"),
            f"bare `send_batch` {spread(rates['bare'], ' events/s')}: {part:.2f}",
            f"≥ {RATIO} of it",
            part >= RATIO,
        ),
        taken_over,
    ]


def _record() -> Record:
    case = new_id()
    event = CaseOpened(case_id=case, office="osso-ha-noi", province="01")
    envelope = Envelope(new_id(), event, now(), str(case), 1, str(new_id()), None)
    headers = tuple((name, value.encode()) for name, value in headers_for(envelope).items())
    return Record(TOPIC, str(case), headers, event.model_dump_json().encode())


async def _relayed(parts: Parts, database: str, brokers: Brokers, records: list[Record], events: int) -> float:
    """Return the seconds from the start of the relay until the outbox is empty."""
    carrier = KafkaCarrier(brokers, "intake", client_id="bench", topics=[TOPIC])
    await carrier.start()
    while not carrier.ready():  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.01)
    stop = asyncio.Event()
    with parts.connect(database) as connection:
        last = _fill(connection, records, events)
        began = time.perf_counter()
        running = asyncio.create_task(
            Relay(conninfo(parts.database.url("intake", database=database)), carrier).run(stop)
        )
        while await asyncio.to_thread(_waits, connection, last):  # noqa: ASYNC110 - nor does the table
            await asyncio.sleep(LOOK)
        seconds = time.perf_counter() - began
    stop.set()
    await running
    await carrier.stop()
    return seconds


def _fill(connection: Connection, records: list[Record], events: int) -> int:
    """Store as many events, and return the id of the last."""
    names = "event_id, topic, key, headers, payload"
    with connection.cursor() as cursor:
        with cursor.copy(f"COPY outbox ({names}) FROM STDIN") as copy:
            for number in range(events):
                record = records[number % AGGREGATES]
                headers = {name: (value or b"").decode() for name, value in record.headers}
                copy.write_row((new_id(), record.topic, record.key, Jsonb(headers), record.value))
        [last] = cursor.execute("SELECT max(id) FROM outbox").fetchone() or (0,)
        cursor.execute("VACUUM ANALYZE outbox")
    return int(last)


def _waits(connection: Connection, last: int) -> bool:
    """Say whether the last event is there: asked by its id, on one connection, so that looking takes from neither side."""
    return connection.execute("SELECT FROM outbox WHERE id = %s", (last,)).fetchone() is not None


async def _sent(brokers: Brokers, records: list[Record], events: int) -> float:
    """Return the seconds in which a bare producer sends as many, in rounds as large as the relay's, each acknowledged."""
    producer = AIOKafkaProducer(**brokers.options, acks="all", enable_idempotence=False, max_batch_size=BATCH_BYTES)
    await producer.start()
    partitions = sorted(await producer.partitions_for(TOPIC))
    began = time.perf_counter()
    for first in range(0, events, BATCH):
        batches = {}
        for number in range(first, min(first + BATCH, events)):
            record = records[number % AGGREGATES]
            place = TopicPartition(TOPIC, partitions[hash(record.key) % len(partitions)])
            if place not in batches:
                batches[place] = producer.create_batch()
            key = (record.key or "").encode()
            batches[place].append(timestamp=None, key=key, value=record.value, headers=list(record.headers))
        sent = [
            await producer.send_batch(batch, place.topic, partition=place.partition) for place, batch in batches.items()
        ]
        await asyncio.gather(*sent)
    seconds = time.perf_counter() - began
    await producer.stop()
    return seconds
