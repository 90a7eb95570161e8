"""What a fetch answer gives, on aiokafka's own classes and real encoded batches, good and bad."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import READ_COMMITTED, READ_UNCOMMITTED, FetchResult, PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder

from stream.contract.kept import Unreadable
from stream.kernel.packed import Packer
from stream.records import reading
from tests.support import raw_batches
from tests.support.kernels import KERNELS, kernel

if TYPE_CHECKING:
    from collections.abc import Iterator

TP = TopicPartition("live.likes", 0)
PRODUCER = 7


@pytest.fixture(autouse=True, params=KERNELS)
def _whole_batches(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_damaged", Counter())
    for owner, name in ((PartitionRecords, "_unpack_records"), (FetchResult, "getall"), (fetcher, "MemoryRecords")):
        monkeypatch.setattr(owner, name, getattr(owner, name))  # put back what the next line replaces
    monkeypatch.setattr(reading, "_packer", None)
    reading.take_whole_batches(Packer(kernel()) if request.param == "native" else None)


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
            reading.FetchedRecords(b"".join(raw)),
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


def test_a_damaged_batch_is_fetched_again_and_then_told_as_one_letter_and_what_follows_it_is_read() -> None:
    raw = bytearray(batch(10, 3))
    raw[-1] ^= 1
    answer = Answer(batch(8, 2), bytes(raw), batch(13, 1), at=8)
    assert answer.take() == [8, 9]
    assert answer.position == 10
    for _ in range(reading.DAMAGED_FETCHES - 2):
        answer = Answer(bytes(raw), batch(13, 1), at=10)
        assert answer.take() == []
        assert answer.position == 10
    answer = Answer(bytes(raw), batch(13, 1), at=10)
    damaged, good = answer.result.getall(None)
    assert (damaged.offset, damaged.headers.why) == (10, "the batch's checksum is wrong")
    assert good.offset == 13
    assert answer.position == 14


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


# -- batches that no proper client writes ------------------------------------------------------------------------------
POISON = {
    "header name": raw_batches.batch([raw_batches.record(0, b"0", headers=[(b"\xff", b"x")])], first=3),
    "offsets": raw_batches.batch([raw_batches.record(0, b"0")] * 3, first=3),
    "offset before": raw_batches.batch([raw_batches.record(-1, b"0")], first=3),
    "attribute": raw_batches.batch([raw_batches.record(0, b"0", attributes=0x80)], first=3),
    "no compression": raw_batches.batch([raw_batches.record(0, b"0")] * 2, first=3, codec="lz4", payload=b"junk"),
    "time": raw_batches.batch([raw_batches.record(0, b"0")], first=3, first_ms=(1 << 63) - 1),
    "large": raw_batches.batch([raw_batches.record(0, b"0" * 3_000_000)], first=3, codec="gzip"),
    "empty": raw_batches.batch([], first=3, count=0, last_delta=0),
    "no codec": raw_batches.batch([raw_batches.record(0, b"0")], first=3, attributes=7),
}
ENDS = {"offsets": 6, "no compression": 5}


@pytest.mark.parametrize("kind", POISON)
@pytest.mark.parametrize("most", [1, 2, 100])
def test_good_records_around_poison_are_read_once_and_the_position_is_behind_it(kind: str, most: int) -> None:
    end = ENDS.get(kind, 4)
    answer = Answer(batch(0, 3), POISON[kind], batch(end, 3), at=0)
    seen: list[int] = []
    while answer.result.has_more():
        seen += answer.take(most)
    assert [offset for offset in seen if not 3 <= offset < end] == [0, 1, 2, end, end + 1, end + 2]
    assert sorted(set(seen)) == seen
    assert answer.position == end + 3


@pytest.mark.parametrize("kind", POISON)
def test_whoever_begins_behind_poison_does_not_see_it_again(kind: str) -> None:
    end = ENDS.get(kind, 4)
    assert Answer(POISON[kind], batch(end, 1), at=end).take() == [end]


@pytest.mark.parametrize("kind", POISON)
def test_a_reader_of_single_records_sees_the_same(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    end = ENDS.get(kind, 4)
    raw = (batch(0, 3), POISON[kind], batch(end, 3))
    whole = [described(record) for record in Answer(*raw).result.getall(None)]
    monkeypatch.setattr(PartitionRecords, "_unpack_records", None)
    reading.read_tolerantly()
    answer = Answer(*raw)
    assert [described(record) for record in answer.result.getall(None)] == whole
    assert answer.position == end + 3
    answer = Answer(*raw)
    single = []
    while answer.result.has_more():
        if (record := answer.result.getone()) is not None:
            assert answer.position == record.offset + 1
            single.append(described(record))
    assert single == whole
    assert answer.position == end + 3


def described(record: Any) -> tuple[Any, ...]:
    headers = record.headers
    told = headers.why if isinstance(headers, Unreadable) else list(headers)
    return record.offset, record.timestamp, record.key, record.value, told


def test_one_look_takes_no_more_than_so_many_bytes_of_large_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "HEAVY_MAX_BYTES", 1_000_000)
    large = raw_batches.batch([raw_batches.record(place, b"x" * 400_000) for place in range(20)], codec="zstd")
    answer = Answer(large)
    taken = answer.result.getall(1)
    while answer.result.has_more():
        taken = answer.result.getall(2)
        assert taken.heavy_bytes <= 1_000_000
    assert answer.position == 20


def test_ordinary_records_weigh_nothing() -> None:
    assert Answer(batch(0, 500), batch(500, 500, codec=4)).result.getall(None).heavy_bytes == 0


@pytest.mark.parametrize("first", [0, 2])
def test_formats_may_change_within_an_answer(first: int) -> None:
    builder = LegacyRecordBatchBuilder(magic=1, compression_type=0, batch_size=1_000)
    assert builder.append(0, timestamp=50, key=b"k", value=b"old")
    raw = bytearray(builder.build())
    raw[:8] = first.to_bytes(8, "big")
    answer = Answer(*([bytes(raw), batch(1, 2)] if first == 0 else [batch(0, 2), bytes(raw)]))
    assert answer.take() == [0, 1, 2]


@pytest.mark.parametrize("codec", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("most", [1, 3, 5, 7, None])
def test_good_batches_are_never_read_with_care_which_takes_ten_times_as_long(
    codec: int, most: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def careful(_raw: bytes) -> Iterator[Any]:
        raise AssertionError("a good batch was read with care")

    monkeypatch.setattr(reading, "read_batch", careful)
    answer = Answer(batch(0, 5, codec=codec), batch(5, 300, codec=codec), at=0)
    seen: list[int] = []
    while answer.result.has_more():
        seen += answer.take(most)
    assert seen == list(range(305))
