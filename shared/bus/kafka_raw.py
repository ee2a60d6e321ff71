"""Reads a record batch whose header names are no UTF-8: aiokafka refuses such a batch whole, and for ever."""

import struct
from collections.abc import Callable

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.codec import gzip_decode, lz4_decode, snappy_decode, zstd_decode
from aiokafka.errors import CorruptRecordException, LeaderNotAvailableError, UnsupportedCodecError, for_code
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.default_records import DefaultRecordBatch

from shared.bus import Record
from shared.bus.kafka_brokers import Brokers

Placed = tuple[int, Record]
"""A record with its offset in the partition."""

LENGTH_AT = 8
"""Where in a batch its length stands: after the base offset (int64); it counts from behind itself (int32)."""
COUNT_AT = 57
RECORDS_AT = 61
VARINT_BYTES = 10
"""The longest number of 64 bits; each byte from `CONTINUES` on says that another follows."""
CONTINUES = 0x80
CODECS: dict[int, Callable[[bytes], bytes]] = {
    0: bytes,
    1: gzip_decode,
    2: snappy_decode,
    3: lz4_decode,
    4: zstd_decode,
}
WAIT_MS = 500
MOST_BYTES = 1024 * 1024


def readable(raw: bytes) -> str:
    r"""Return the text of a key or header name; bytes that are no UTF-8 become `\xff`, and no name of ours has that."""
    return raw.decode("utf-8", "backslashreplace")


async def read_batch(brokers: Brokers, client_id: str, place: TopicPartition, offset: int) -> tuple[list[Placed], int]:
    """Fetch the batch that holds `offset`: its records from there on, and the offset behind it.

    Raises `KafkaError` when the leader is away, the fetch fails or the batch is damaged.
    """
    client = AIOKafkaClient(**brokers.options, client_id=client_id)
    try:
        await client.bootstrap()
        await client.set_topics([place.topic])
        leader = client.cluster.leader_for_partition(place)
        if leader is None or leader < 0:
            raise LeaderNotAvailableError
        wanted = [(place.topic, [(place.partition, offset, MOST_BYTES)])]
        response = await client.send(leader, FetchRequest(WAIT_MS, 1, MOST_BYTES, 0, wanted, rack_id=""))
    finally:
        await client.close()
    [(_, [(_, code, *_, batches)])] = response.topics
    if code:
        raise for_code(code)
    return decode_batch(place.topic, bytes(batches or b""), offset)


def decode_batch(topic: str, data: bytes, offset: int) -> tuple[list[Placed], int]:
    """Decode the first record batch (format 2, the only one since Kafka 4) in `data`, from `offset` on.

    Returns the records and the offset behind the batch; raises `CorruptRecordException` when it is cut off,
    damaged or not as it says of itself, `UnsupportedCodecError` when it is packed in an unknown way.
    """
    if len(data) < RECORDS_AT:
        raise CorruptRecordException
    [length] = struct.unpack_from(">i", data, LENGTH_AT)
    whole = data[: LENGTH_AT + 4 + max(length, 0)]
    if len(whole) < max(RECORDS_AT, LENGTH_AT + 4 + length):
        raise CorruptRecordException
    batch = DefaultRecordBatch(whole)
    # Never back: whoever is sent to where it was before reads the same batch for ever.
    if not batch.validate_crc() or batch.next_offset <= offset:
        raise CorruptRecordException
    if batch.is_control_batch:
        return [], batch.next_offset
    [count] = struct.unpack_from(">i", whole, COUNT_AT)
    cursor = _Cursor(_unpacked(batch.compression_type, whole[RECORDS_AT:]))
    records = [cursor.record(topic, batch.base_offset) for _ in range(count)]
    return [(place, record) for place, record in records if place >= offset], batch.next_offset


def _unpacked(codec: int, data: bytes) -> bytes:
    if codec not in CODECS:
        raise UnsupportedCodecError
    try:
        return CODECS[codec](data)
    except NotImplementedError as error:  # aiokafka knows the codec, and its library is not installed
        raise UnsupportedCodecError from error
    except Exception as error:  # each codec has errors of its own
        raise CorruptRecordException from error


class _Cursor:
    """Walks over the records of one batch: numbers are zigzag varints, a length of -1 is a null.

    It trusts nothing that a record says of itself; aiokafka's own `decode_varint` reads on behind the end, and may crash.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def record(self, topic: str, base: int) -> Placed:
        """Take the next record: length, attributes, time, offset (the last two relative), key, value, headers."""
        _length, _attributes, _time = self._number(), self._number(), self._number()
        offset = base + self._number()
        key, value = self._chunk(), self._chunk()
        headers = tuple((readable(self._chunk() or b""), self._chunk()) for _ in range(self._number()))
        return offset, Record(topic, None if key is None else readable(key), headers, value)

    def _number(self) -> int:
        number = 0
        for place, byte in enumerate(self._data[self._at : self._at + VARINT_BYTES]):
            number |= (byte & 0x7F) << 7 * place
            if byte < CONTINUES:
                self._at += place + 1
                return (number >> 1) ^ -(number & 1)
        raise CorruptRecordException

    def _chunk(self) -> bytes | None:
        size = self._number()
        if size < 0:
            return None
        start, self._at = self._at, self._at + size
        if self._at > len(self._data):
            raise CorruptRecordException
        return self._data[start : self._at]
