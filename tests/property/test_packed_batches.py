"""A fetch answer gives the same records whether the native kernel or the compiled parser of aiokafka reads it first."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import READ_UNCOMMITTED, FetchResult, PartitionRecords
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.contract.kept import Unreadable
from stream.kernel.packed import PackedRecords, Packer
from stream.records import reading
from tests.support import raw_batches
from tests.support.kernels import kernel

if TYPE_CHECKING:
    from collections.abc import Sequence

# KERNEL_FUZZ=100 looks a hundred times as long.
THOROUGH = int(os.environ.get("KERNEL_FUZZ", "1"))
CONTENT = st.none() | st.binary(max_size=30)
DELTAS = st.sampled_from([0, 0, 0, 1, -1, 63, 64, 1_000, 2**31, -(2**40)])
RECORDS = st.lists(st.tuples(CONTENT, CONTENT, DELTAS, st.sampled_from([0] * 8 + [1])), max_size=6)
HEADS = st.fixed_dictionaries(
    {
        "first": st.sampled_from([0, 7, 2**40]),
        "codec": st.sampled_from(sorted(raw_batches.CODECS)),
        "attributes": st.sampled_from([0, 0, raw_batches.LOG_APPEND_TIME]),
        "first_ms": st.sampled_from([1_000, 0, -1, 2**62, 253_402_300_799_990]),
        "max_ms": st.sampled_from([None, 5_000, -1, 2**61]),
        "count": st.sampled_from([None, None, None, None, 0, 1, 5, -1, 2**31 - 1]),
        "last_delta": st.sampled_from([None, None, None, 0, 50]),
    }
)
# (place, byte) put into the records before they are compressed.
CHANGES = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=2)


@pytest.fixture(scope="module", autouse=True)
def _patched() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in ((PartitionRecords, "_unpack_records"), (FetchResult, "getall"), (fetcher, "MemoryRecords")):
            patch.setattr(owner, name, getattr(owner, name))
        patch.setattr(reading, "_packer", None)
        yield


def read(raw: bytes, packer: Packer | None, at: int, most: int) -> tuple[list[Any], list[int], bool]:
    """What an answer gives in looks of at most so many records, the position after each, whether any was packed."""
    reading.take_whole_batches(packer)
    state = SimpleNamespace(paused=False, position=at)
    state.consumed_to = lambda position: setattr(state, "position", position)
    records = PartitionRecords(
        TopicPartition("t", 0), reading.FetchedRecords(raw), None, at, None, None, True, READ_UNCOMMITTED
    )
    assignment = SimpleNamespace(active=True, state_value=lambda _tp: state)
    result: Any = FetchResult(TopicPartition("t", 0), assignment=assignment, partition_records=records, backoff=0)
    seen: list[Any] = []
    positions: list[int] = []
    is_packed = False
    while result.has_more():
        taken: Sequence[Any] = result.getall(most)
        is_packed |= isinstance(taken, PackedRecords)
        for each in taken:
            is_unreadable = isinstance(each.headers, Unreadable)
            what = (each.offset, each.timestamp, each.key, each.value, [*each.headers])
            seen.append((*what, bool(each.timestamp_type), is_unreadable))
        positions.append(state.position)
    return seen, positions, is_packed


@settings(max_examples=200 * THOROUGH, deadline=None)
@given(RECORDS, HEADS, CHANGES, st.integers(0, 3), st.integers(1, 4))
def test_the_same_records_come_of_any_batch(
    drawn: list[Any], head: dict[str, Any], changes: list[tuple[float, int]], skipped: int, most: int
) -> None:
    content = [
        raw_batches.record(place, value, key, [(b"h", b"v")] * headers, time_delta=delta)
        for place, (value, key, delta, headers) in enumerate(drawn)
    ]
    plain = bytearray(b"".join(content))
    for place, byte in changes if plain else ():
        plain[int(place * (len(plain) - 1))] = byte
    count = head.pop("count")
    raw = raw_batches.batch([bytes(plain)], count=len(drawn) if count is None else count, **head) + raw_batches.batch(
        raw_batches.records([b"next"]), first=head["first"] + 100
    )
    at = head["first"] + skipped
    python, native = (read(raw, packer, at, most) for packer in (None, Packer(kernel())))
    assert native[:2] == python[:2]


@pytest.mark.parametrize("lie", [{"header_count": 1}, {"header_count": -1}, {"tail": b"\0"}, {"length": 3}])
def test_a_record_that_lies_is_left_to_python(lie: dict[str, Any]) -> None:
    raw = raw_batches.batch([raw_batches.record(0, b"v", **lie), raw_batches.record(1, b"v")])
    python, native = (read(raw, packer, 0, 10) for packer in (None, Packer(kernel())))
    assert native == python
    assert not native[2]


def test_a_good_batch_is_packed_whatever_its_codec() -> None:
    for codec in sorted(raw_batches.CODECS):
        raw = raw_batches.batch(raw_batches.records([b"value %d" % place for place in range(50)]), codec=codec)
        seen, positions, is_packed = read(raw, Packer(kernel()), 0, 1_000)
        assert (len(seen), positions, is_packed) == (50, [50], True)


def test_the_checksum_is_the_one_of_kafka() -> None:
    assert kernel().crc32c(b"123456789") == 0xE3069283
    assert kernel().crc32c(b"") == 0
