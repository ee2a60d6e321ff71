"""Record batches that aiokafka refuses, decoded byte by byte."""

import asyncio
import contextlib
import struct
from dataclasses import dataclass

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import (
    CorruptRecordException,
    LeaderNotAvailableError,
    NotLeaderForPartitionError,
    OffsetOutOfRangeError,
    UnsupportedCodecError,
)
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.kafka.broker import Broker
from shared.bus import Record
from shared.bus.kafka_brokers import Brokers
from shared.bus.kafka_raw import COUNT_AT, LENGTH_AT, RECORDS_AT, decode_batch, read_batch, readable
from shared.bus.kafka_topics import ensure_topics

CRC_AT, CHECKED_FROM, ATTRIBUTES_AT, CONTROL = 17, 21, 22, 0x20
Written = tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]


@dataclass(frozen=True)
class Batch:
    """A record batch as it lies on the wire, to be spoilt."""

    data: bytes

    def spoilt(self, old: bytes, new: bytes) -> bytes:
        """Replace bytes by as many others, and set the check sum right."""
        assert old in self.data
        return checked(self.data.replace(old, new))


def checked(data: bytes) -> bytes:
    checksum = calc_crc32c(data[CHECKED_FROM:])
    return data[:CRC_AT] + struct.pack(">I", checksum) + data[CHECKED_FROM:]


def batch(*records: Written, compression: int = 0) -> Batch:
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=compression,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=0,
        batch_size=100_000,
    )
    for offset, (key, value, headers) in enumerate(records):
        assert builder.append(offset, None, key=key, value=value, headers=headers) is not None
    return Batch(bytes(builder.build()))


def test_a_place_that_cannot_be_read_is_an_error(broker: Broker, topic: str) -> None:
    asyncio.run(ensure_topics(broker.bootstrap, [topic]))

    with pytest.raises(LeaderNotAvailableError):
        asyncio.run(read_batch(Brokers(broker.bootstrap), "raw", TopicPartition(f"{topic}.never", 0), 0))
    # A new topic has no leader yet for a moment.
    with pytest.raises((OffsetOutOfRangeError, NotLeaderForPartitionError)):
        asyncio.run(read_batch(Brokers(broker.bootstrap), "raw", TopicPartition(topic, 0), 99))


def test_aiokafka_refuses_a_header_name_that_is_no_utf_8() -> None:
    """When this fails, aiokafka has learnt it, and kafka_raw.py may go."""
    data = batch((b"case-1", b"{}", [("ce_zz", b"1")])).spoilt(b"ce_zz", b"ce_\xff\xfe")

    with pytest.raises(UnicodeDecodeError):
        list(DefaultRecordBatch(data))


def test_such_a_name_is_made_readable_and_all_else_is_kept() -> None:
    data = batch((b"case-1", b"{}", [("ce_zz", None), ("ce_id", b"7")])).spoilt(b"ce_zz", b"ce_\xff\xfe")

    records, behind = decode_batch("intake.events", data, 0)

    headers = (("ce_\\xff\\xfe", None), ("ce_id", b"7"))
    assert records == [(0, Record("intake.events", "case-1", headers, b"{}"))]
    assert behind == 1


def test_records_before_the_offset_that_was_asked_for_are_left_out() -> None:
    data = batch((b"a", b"1", []), (b"b", b"2", []), (None, None, [])).data

    records, behind = decode_batch("intake.events", data, 1)

    assert records == [(1, Record("intake.events", "b", (), b"2")), (2, Record("intake.events", None, (), None))]
    assert behind == 3


def test_a_compressed_batch_is_read_too() -> None:
    data = batch((b"a", b"1" * 1000, [("x", b"y")]), compression=1).data

    records, _ = decode_batch("intake.events", data, 0)

    assert len(data) < 1000
    assert records == [(0, Record("intake.events", "a", (("x", b"y"),), b"1" * 1000))]


def test_a_marker_of_a_transaction_is_no_record() -> None:
    data = bytearray(batch((b"\x00\x00\x00\x01", b"", [])).data)
    data[ATTRIBUTES_AT] |= CONTROL

    assert decode_batch("intake.events", checked(bytes(data)), 0) == ([], 1)


@pytest.mark.parametrize("cut", [0, 20, 61, 80], ids=lambda cut: f"cut at {cut}")
def test_a_batch_that_is_cut_off_is_refused(cut: int) -> None:
    with pytest.raises(CorruptRecordException):
        decode_batch("intake.events", batch((b"case-1", b"{}" * 20, [])).data[:cut], 0)


def test_a_damaged_batch_is_refused() -> None:
    data = bytearray(batch((b"case-1", b"{}", [])).data)
    data[-2] ^= 1

    with pytest.raises(CorruptRecordException):
        decode_batch("intake.events", bytes(data), 0)


CHUNKS = st.none() | st.binary(max_size=30)
RECORDS: st.SearchStrategy[Written] = st.tuples(
    CHUNKS, CHUNKS, st.lists(st.tuples(st.text(max_size=10), CHUNKS), max_size=4)
)


@settings(max_examples=60, deadline=None)
@given(st.lists(RECORDS, min_size=1, max_size=5), st.sampled_from([0, 1]))
def test_every_batch_is_read_as_aiokafka_reads_it(records: list[Written], compression: int) -> None:
    data = batch(*records, compression=compression).data

    read, behind = decode_batch("intake.events", data, 0)

    theirs = [(record.offset, record.key, record.value, tuple(record.headers)) for record in DefaultRecordBatch(data)]
    ours = [(offset, record.key, record.value, record.headers) for offset, record in read]
    assert ours == [(offset, None if key is None else readable(key), *rest) for offset, key, *rest in theirs]
    assert behind == len(records)


def decoded_or_refused(data: bytes) -> None:
    """Decode; any other error than the one that is documented fails the test by itself."""
    with contextlib.suppress(CorruptRecordException, UnsupportedCodecError):
        decode_batch("intake.events", data, 0)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_whatever_bytes_come_they_are_decoded_or_refused(data: bytes) -> None:
    decoded_or_refused(data)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(RECORDS, min_size=1, max_size=3),
    st.sampled_from([0, 1]),
    st.dictionaries(st.integers(LENGTH_AT, 140), st.integers(0, 255), min_size=1, max_size=4),
)
def test_a_batch_that_was_built_to_mislead_is_decoded_or_refused(
    records: list[Written], compression: int, changes: dict[int, int]
) -> None:
    data = bytearray(batch(*records, compression=compression).data)
    for place, byte in changes.items():
        data[place % len(data)] = byte

    decoded_or_refused(checked(bytes(data)))


@pytest.mark.parametrize(
    ("place", "lie"),
    [
        (COUNT_AT, struct.pack(">i", 2**31 - 1)),
        (RECORDS_AT + 4, b"\xfe\xff\xff\xff\x0f"),
        (LENGTH_AT, struct.pack(">i", -1)),
        (LENGTH_AT, struct.pack(">i", 5)),
        (ATTRIBUTES_AT, b"\x07"),
        (ATTRIBUTES_AT, b"\x01"),
    ],
    ids=["too many records", "too long a key", "a negative length", "a short length", "an unknown codec", "no gzip"],
)
def test_a_batch_that_lies_about_itself_is_refused(place: int, lie: bytes) -> None:
    data = bytearray(batch((b"case-1", b"{}" * 20, [("ce_id", b"7")])).data)
    data[place : place + len(lie)] = lie

    with pytest.raises((CorruptRecordException, UnsupportedCodecError)):
        decode_batch("intake.events", checked(bytes(data)), 0)


def test_a_batch_that_would_send_us_back_is_refused() -> None:
    data = batch((b"case-1", b"{}", [])).data

    with pytest.raises(CorruptRecordException):
        decode_batch("intake.events", data, 1)
