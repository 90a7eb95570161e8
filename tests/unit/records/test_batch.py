"""A batch that is not as it should be: what can be read of it is read, the rest is told, nothing raises."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import cramjam
import pytest
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from hypothesis import given
from hypothesis import strategies as st

from stream.contract.kept import KEPT_VALUE_BYTES, Unreadable, whole_bytes
from stream.records import codecs
from stream.records.batch import read_batch
from tests.support.raw_batches import LOG_APPEND_TIME, batch, compressed, record, records, varint

if TYPE_CHECKING:
    from stream.records.batch import ReadRecord


def why(read: ReadRecord) -> str | None:
    return read.headers.why if isinstance(read.headers, Unreadable) else None


def offsets(raw: bytes) -> list[tuple[int, bool]]:
    """Each record's offset, and whether it could be read."""
    return [(read.offset, why(read) is None) for read in read_batch(raw)]


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_a_good_batch_is_read_as_it_was_sent(codec: str) -> None:
    raw = batch(
        [record(0, b"a", b"k", [(b"h", b"1"), (b"n", None)], time_delta=-3), record(1, None, None)],
        first=7,
        codec=codec,
    )
    first, second = read_batch(raw)
    assert first[:5] == (7, 997, b"k", b"a", (("h", b"1"), ("n", None)))
    assert second[:5] == (8, 1_000, None, None, ())


def test_the_brokers_time_stands_for_that_of_each_record() -> None:
    raw = batch([record(0, b"a", time_delta=5), record(1, b"b")], attributes=LOG_APPEND_TIME, max_ms=77)
    assert [(read.timestamp, read.timestamp_type) for read in read_batch(raw)] == [(77, 1), (77, 1)]
    assert [read.timestamp_type for read in read_batch(batch([record(0, b"a")]))] == [0]


def test_a_header_name_that_is_no_text_is_written_out() -> None:
    (read,) = read_batch(batch([record(0, b"a", headers=[(b"\xff\xfe", b"1"), (b"", None)])]))
    assert read.headers == (("\\xff\\xfe", b"1"), ("", None))


@pytest.mark.parametrize(
    "spoilt",
    [
        record(1, b"v", header_count=-1),
        record(1, b"v", header_count=1 << 20),
        record(1, b"v", header_count=1, tail=varint(-1) + varint(-1)),
        record(1, b"v", tail=b"more"),
        varint(3) + b"\0\0\0",
        varint(8) + b"\0" + b"\xff" * 7,
    ],
    ids=["no count", "many headers", "no name", "too long", "too short", "no end of a number"],
)
@pytest.mark.parametrize("codec", ["none", "zstd"])
def test_one_record_that_cannot_be_read_costs_none_of_its_neighbours(spoilt: bytes, codec: str) -> None:
    read = [*read_batch(batch([record(0, b"a"), spoilt, record(2, b"c")], codec=codec))]
    assert [(each.offset, why(each) is None) for each in read] == [(0, True), (1, False), (2, True)]
    assert read[1].timestamp == 1_000
    assert (read[0].value, read[2].value) == (b"a", b"c")


@pytest.mark.parametrize("length", [-1, 1 << 40, 60])
def test_where_a_record_does_not_say_where_it_ends_the_rest_of_the_batch_is_one_letter(length: int) -> None:
    raw = batch([record(0, b"a"), record(1, b"b", length=length), record(2, b"c")], first=5)
    assert offsets(raw) == [(5, True), (6, False)]


def test_a_batch_with_fewer_records_than_it_says_ends_in_a_letter() -> None:
    assert offsets(batch(records([b"a", b"b"]), count=4)) == [(0, True), (1, True), (2, False)]


@pytest.mark.parametrize(
    ("deltas", "expected"),
    [
        ([0, 0, 0], [(0, True), (1, False), (2, False)]),
        ([0, 5, 2], [(0, True), (1, False), (2, True)]),
        ([-1], [(0, False)]),
        ([2, 1, 0], [(2, True)]),
        ([0, 2], [(0, True), (2, True)]),  # compaction took the one between
    ],
)
def test_an_offset_that_is_anothers_is_refused_at_the_records_place(
    deltas: list[int], expected: list[tuple[int, bool]]
) -> None:
    last = max(len(deltas) - 1, 2 if deltas == [0, 2] else 0)
    raw = batch([record(delta, b"v") for delta in deltas], last_delta=last)
    assert offsets(raw) == expected


@pytest.mark.parametrize(
    ("first_ms", "delta_ms", "expected"),
    [(-1, 0, -1), (-5, 0, -1), (1_000, -(1 << 62), -1), (5, 7, 12)],
)
def test_a_time_before_all_time_is_none(first_ms: int, delta_ms: int, expected: int) -> None:
    (read,) = read_batch(batch([record(0, b"v", time_delta=delta_ms)], first_ms=first_ms))
    assert (read.timestamp, why(read)) == (expected, None)


@pytest.mark.parametrize(("first_ms", "delta_ms"), [((1 << 63) - 1, 0), ((1 << 62) + 5, 1 << 62), (0, 1 << 60)])
def test_a_time_that_is_no_date_moves_no_clock(first_ms: int, delta_ms: int) -> None:
    (read,) = read_batch(batch([record(0, b"v", time_delta=delta_ms)], first_ms=first_ms))
    assert "its timestamp is" in (why(read) or "")
    assert -1 <= read.timestamp <= first_ms < 1 << 63
    assert read.timestamp < 253_402_300_800_000
    assert read.value == b"v"


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_a_batch_that_cannot_be_unpacked_is_one_letter_at_its_first_offset(codec: str) -> None:
    (read,) = read_batch(batch(records([b"a", b"b"]), first=9, codec=codec, payload=b"junk"))
    assert (read.offset, read.timestamp, read.key, read.value) == (9, 1_000, None, None)
    assert f"{codec} compression is damaged" in (why(read) or "")


def test_a_batch_that_unpacks_to_too_much_gives_what_lies_before_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codecs.decompress, "__defaults__", (10_000,))
    raw = batch([record(0, b"a"), record(1, b"x" * 20_000), record(2, b"c")], codec="gzip")
    read = [*read_batch(raw)]
    assert [each.offset for each in read] == [0, 1]
    assert why(read[1]) == "its batch comes to more than 10000 bytes"


def test_of_a_large_value_the_beginning_is_kept() -> None:
    (read,) = read_batch(batch([record(0, b"x" * 3_000_000)], codec="gzip"))
    assert read.value is not None
    assert (len(read.value), whole_bytes(read.value)) == (KEPT_VALUE_BYTES, 3_000_000)
    assert why(read) is None


def test_a_batch_without_records_has_none() -> None:
    assert offsets(batch([], count=0)) == []


def test_a_format_that_is_still_to_come_is_one_letter() -> None:
    (read,) = read_batch(batch(records([b"a"]), first=3, magic=3))
    assert "format 3" in (why(read) or "")


# -- formats of old ----------------------------------------------------------------------------------------------------
def old(magic: Any, codec: int, *values: bytes | None) -> bytes:
    builder = LegacyRecordBatchBuilder(magic=magic, compression_type=codec, batch_size=1 << 20)
    for place, value in enumerate(values):
        assert builder.append(place, timestamp=50 + place, key=b"k", value=value)
    raw = bytearray(builder.build())
    raw[:8] = (len(values) - 1).to_bytes(8, "big")  # as a broker does: the offset of the last within
    return bytes(raw)


@pytest.mark.parametrize("magic", [0, 1])
@pytest.mark.parametrize("codec", [0, 1, 2])
def test_formats_of_old_are_read(magic: int, codec: int) -> None:
    values = [b"a" * 100, b"b" * 100] if codec else [b"a" * 100]
    raw = old(magic, codec, *values)
    read = [*read_batch(raw)]
    assert [each.value for each in read] == values
    assert [each.timestamp for each in read] == ([50, 51][: len(values)] if magic else [-1] * len(values))
    assert [each.offset for each in read] == [0, 1][: len(values)]


@given(st.integers(0, 1), st.binary(max_size=80))
def test_no_bytes_of_old_raise(magic: int, rest: bytes) -> None:
    raw = struct.pack(">qiIb", 4, len(rest) + 5, 0, magic) + rest
    for read in read_batch(raw):
        assert isinstance(read.offset, int)


# -- anything at all ---------------------------------------------------------------------------------------------------
@given(
    st.binary(max_size=200),
    st.integers(-2, 400),
    st.integers(-2, 400),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.sampled_from(["none", "gzip", "zstd"]),
)
def test_whatever_a_batch_holds_its_offsets_rise_within_it(
    payload: bytes, count: int, last: int, first_ms: int, codec: str
) -> None:
    raw = batch(
        [], first=100, payload=compressed(codec, payload), codec=codec, count=count, last_delta=last, first_ms=first_ms
    )
    seen = [read.offset for read in read_batch(raw)]
    assert seen == sorted(set(seen))
    assert all(100 <= offset <= 100 + max(last, 0) for offset in seen)
    for read in read_batch(raw):
        assert -1 <= read.timestamp < 253_402_300_800_000


@given(st.data())
def test_one_wrong_byte_raises_nothing(data: Any) -> None:
    raw = bytearray(batch([record(0, b"a" * 30, headers=[(b"h", b"v")]), record(1, b"b" * 30), record(2, b"c")]))
    place = data.draw(st.integers(21, len(raw) - 1))
    raw[place] = data.draw(st.integers(0, 255))
    assert all(isinstance(read.offset, int) for read in read_batch(bytes(raw)))


def test_millions_of_empty_records_are_read_as_they_are_asked_for() -> None:
    plain = b"".join(record(place, None, None) for place in range(200_000))
    raw = batch([], count=200_000, codec="zstd", payload=bytes(cramjam.zstd.compress(plain)))
    reading = read_batch(raw)
    assert [next(reading).offset for _ in range(3)] == [0, 1, 2]
