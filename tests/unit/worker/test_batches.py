"""What a fetch answer gives, on aiokafka's own classes and real encoded batches."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, READ_UNCOMMITTED, FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from stream.worker import batches

if TYPE_CHECKING:
    from collections.abc import Iterator

TP = TopicPartition("live.likes", 0)
PRODUCER = 7


@pytest.fixture(autouse=True)
def _whole_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    for owner, name in ((PartitionRecords, "_unpack_records"), (FetchResult, "getall")):
        monkeypatch.setattr(owner, name, getattr(owner, name))  # put back what the next line replaces
    batches.take_whole_batches()


def batch(
    first: int, count: int, *, transactional: bool = False, control: bytes | None = None, codec: int = 0
) -> bytes:
    """A record batch as a broker sends it, whose offsets begin at `first`."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=codec,
        is_transactional=transactional,
        producer_id=PRODUCER if transactional else -1,
        producer_epoch=0,
        base_sequence=0,
        batch_size=1 << 20,
    )
    for place in range(count):
        key = control if control is not None else b"room"
        assert builder.append(place, timestamp=1_000 + place, key=key, value=b"%d" % (first + place), headers=[])
    raw = bytearray(builder.build())
    raw[0:8] = first.to_bytes(8, "big")
    if control is not None:  # the builder makes none: set the attribute's bit, and the checksum anew
        raw[21:23] = (int.from_bytes(raw[21:23], "big") | 0x20).to_bytes(2, "big")
    return bytes(raw)


class Answer:
    """One partition's fetch answer, and the position that aiokafka keeps beside it."""

    def __init__(
        self, *raw: bytes, at: int = 0, committed: bool = False, aborted: list[tuple[int, int]] | None = None
    ) -> None:
        self.position = at
        records = PartitionRecords(
            TP,
            MemoryRecords(b"".join(raw)),
            aborted,
            at,
            None,
            None,
            not committed,  # control batches here carry no right checksum
            READ_COMMITTED if committed else READ_UNCOMMITTED,
        )
        state = SimpleNamespace(paused=False, position=at, consumed_to=self._consumed_to)
        self._state = state
        assignment = SimpleNamespace(active=True, state_value=lambda _tp: state)
        self.result: Any = FetchResult(TP, assignment=assignment, partition_records=records, backoff=0)

    def _consumed_to(self, position: int) -> None:
        self.position = self._state.position = position

    def take(self, most: int | None = None) -> list[int]:
        return [record.offset for record in self.result.getall(most)]


def test_all_batches_come_in_order_and_the_position_is_behind_them() -> None:
    answer = Answer(batch(10, 3), batch(13, 2), at=10)
    assert answer.take() == [10, 11, 12, 13, 14]
    assert answer.position == 15
    assert not answer.result.has_more()


def test_records_are_as_they_were_sent() -> None:
    (record,) = Answer(batch(10, 1), at=10).result.getall(None)
    seen = (record.offset, record.timestamp, record.key, record.value, list(record.headers))
    assert seen == (10, 1_000, b"room", b"10", [])


@pytest.mark.parametrize("codec", [1, 2, 3, 4], ids=["gzip", "snappy", "lz4", "zstd"])
def test_every_codec_of_kafka_is_read(codec: int) -> None:
    raw = batch(10, 500, codec=codec)
    assert raw[22] & 7 == codec  # the builder leaves uncompressed what does not become smaller
    assert Answer(raw, at=10).take() == list(range(10, 510))


def test_a_batch_that_begins_before_the_position_gives_what_was_asked_for() -> None:
    answer = Answer(batch(10, 5), at=13)
    assert answer.take() == [13, 14]


@pytest.mark.parametrize("most", range(1, 8))
def test_never_more_than_asked_for_and_nothing_twice_or_lost(most: int) -> None:
    answer = Answer(batch(10, 3), batch(13, 4), at=10)
    seen: list[int] = []
    while answer.result.has_more():
        taken = answer.take(most)
        assert len(taken) <= most
        seen += taken
        assert answer.position == (seen[-1] + 1)
    assert seen == list(range(10, 17))


def test_after_a_batch_that_was_compacted_the_position_is_where_the_batch_ended() -> None:
    raw = bytearray(batch(10, 3))
    raw[23:27] = (9).to_bytes(4, "big")  # last offset delta: the batch once held ten records
    answer = Answer(bytes(raw), at=10, committed=True)
    assert answer.take() == [10, 11, 12]
    assert answer.position == 20


def test_a_damaged_batch_is_an_error() -> None:
    raw = bytearray(batch(10, 3))
    raw[-1] ^= 1
    with pytest.raises(CorruptRecordException, match="Invalid CRC"):
        Answer(bytes(raw), at=10).take()


def control_key(kind: int) -> bytes:
    """Key of a control record: version 0, then 0 for abort and 1 for commit."""
    return (0).to_bytes(2, "big") + kind.to_bytes(2, "big")


def aborted_then_committed() -> Iterator[bytes]:
    yield batch(10, 2, transactional=True)
    yield batch(12, 1, transactional=True, control=control_key(0))
    yield batch(13, 2, transactional=True)
    yield batch(15, 1, transactional=True, control=control_key(1))


def test_a_reader_of_committed_records_sees_nothing_that_was_aborted() -> None:
    answer = Answer(*aborted_then_committed(), at=10, committed=True, aborted=[(PRODUCER, 10)])
    assert answer.take() == [13, 14]
    assert answer.position == 16


def test_an_answer_of_nothing_but_aborted_records_moves_the_position() -> None:
    answer = Answer(batch(10, 2, transactional=True), at=10, committed=True, aborted=[(PRODUCER, 10)])
    assert answer.take() == []
    assert answer.position == 12
