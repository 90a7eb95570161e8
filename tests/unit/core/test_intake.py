"""What becomes of records, one piece at a time; the rules of each event are tested in `test_folds.py`."""

from __future__ import annotations

import pytest

from stream.contract.events import TOPIC_NAMES
from stream.core.partition import PartitionFold
from stream.core.rules import Rules
from tests.support.events import at
from tests.support.rooms import LIKES, TOPICS, Rec

pytestmark = pytest.mark.usefixtures("on_both_kernels")


def new_fold() -> PartitionFold:
    return PartitionFold(0, Rules(), TOPICS)


def record(offset: int, value: bytes, s: float = 0) -> Rec:
    return Rec(value, b"r1", offset, at(s))


def like(event_id: str, s: float = 0) -> bytes:
    return (
        b'{"type":"like","event_id":"%b","room_id":"r1","event_time_ms":%d,"user_id":"u1","count":2}'
        % (event_id.encode(), at(s))
    )  # fmt: skip


def test_each_record_is_received_and_is_one_of_applied_duplicate_and_refused() -> None:
    fold = new_fold()
    fold.fold(LIKES, [record(3, like("a")), record(4, like("a")), record(5, b"{"), record(6, like("b"))])
    counters = fold.counters
    assert (counters.received[LIKES], counters.applied[LIKES], counters.duplicate[LIKES]) == (4, 2, 1)
    assert [(each.topic_index, each.offset) for each in fold.refused] == [(LIKES, 5)]
    assert fold.refused_bytes == len(b"{") + len(b"r1")


def test_what_was_refused_is_taken_out_once() -> None:
    fold = new_fold()
    fold.fold(LIKES, [record(0, b"{")])
    assert [each.offset for each in fold.take_refused()] == [0]
    assert (fold.take_refused(), fold.refused, fold.refused_bytes) == ([], [], 0)


def test_a_good_piece_and_the_same_records_beside_a_bad_one_make_the_same_room() -> None:
    together, apart = new_fold(), new_fold()
    likes = [record(number, like(f"e{number}", number / 10)) for number in range(9)]
    together.fold(LIKES, likes)
    apart.fold(LIKES, [*likes, record(9, b"{")])
    assert together.rooms["r1"].likes == apart.rooms["r1"].likes == 18
    assert together.rooms["r1"].first_offsets == apart.rooms["r1"].first_offsets
    assert len(together.rooms["r1"].first_offsets) == len(TOPIC_NAMES)


def test_the_first_record_says_what_time_it_is() -> None:
    fold = new_fold()
    fold.fold(LIKES, [record(0, like("a"), 7)])
    assert fold.clock_ms == at(7)
    assert fold.rooms["r1"].born_ms == at(7)
