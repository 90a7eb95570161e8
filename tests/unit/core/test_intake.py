"""What becomes of records, one piece at a time; the rules of each event are tested in `test_folds.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stream.contract.events import TOPIC_NAMES
from stream.core.partition import PartitionFold
from stream.core.rules import Rules
from tests.support.events import at
from tests.support.rooms import LIKES, TOPICS, Rec

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def piece(refused: Sequence[int] = (), escaped: Sequence[int] = ()) -> list[Rec]:
    """Likes of two rooms in three seconds, which come in no order, the last of a third room; some of them are odd."""
    rooms = [f"r{number % 2}" for number in range(39)] + ["r9"]
    values = [
        like(f"e{number % 36}", 3 - number % 3)
        .replace(b'"r1"', b'"%b"' % room.encode())
        .replace(b'"u1"', b'"u%d"' % number)
        for number, room in enumerate(rooms)
    ]
    for number in refused:
        values[number] = b"{"
    for number in escaped:
        values[number] = values[number].replace(b'"u', b'"\\u0075')
    return [Rec(value, rooms[number].encode(), number, at(3)) for number, value in enumerate(values)]


def test_a_refused_record_does_not_stand_between_the_others() -> None:
    """What is saved of them, people in their order too, is what would be without it."""
    with_bad, without = new_fold(), new_fold()
    records = piece(refused=(0, 5, 7))
    with_bad.fold(LIKES, records)
    without.fold(LIKES, [each for each in records if each.value != b"{"])
    assert [each.offset for each in with_bad.refused] == [0, 5, 7]
    assert [*with_bad.rooms] == [*without.rooms] == ["r1", "r0", "r9"]
    assert with_bad.cut(1).records == without.cut(1).records
    applied, duplicate = with_bad.counters.applied[LIKES], with_bad.counters.duplicate[LIKES]
    assert (applied, duplicate, with_bad.counters.received[LIKES]) == (35, 2, 40)


@pytest.mark.parametrize("escaped", [(0,), (39,), (0, 2, 7, 39)])
def test_records_written_with_escapes_fold_as_those_without(escaped: tuple[int, ...]) -> None:
    odd, usual = new_fold(), new_fold()
    odd.fold(LIKES, piece(escaped=escaped))
    usual.fold(LIKES, piece())
    assert [*odd.rooms] == [*usual.rooms] == ["r0", "r1", "r9"]
    assert odd.cut(1).records == usual.cut(1).records
    assert vars(odd.counters) == vars(usual.counters)


def test_of_a_piece_in_which_all_is_refused_nothing_is_folded() -> None:
    fold = new_fold()
    fold.fold(LIKES, [record(number, b"{") for number in range(9)])
    assert (len(fold.refused), fold.rooms, fold.counters.received[LIKES]) == (9, {}, 9)


def test_the_first_record_says_what_time_it_is() -> None:
    fold = new_fold()
    fold.fold(LIKES, [record(0, like("a"), 7)])
    assert fold.clock_ms == at(7)
    assert fold.rooms["r1"].born_ms == at(7)
