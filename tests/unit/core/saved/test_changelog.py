from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stream.core.saved.changelog import SEGMENT_BYTES, TAIL_BYTES, ChangeLog
from stream.core.saved.entries import IdsEntry
from stream.core.saved.frames import CorruptCheckpointError, frame

if TYPE_CHECKING:
    from collections.abc import Iterable

Records = list[tuple[bytes, bytes | None]]


def log() -> ChangeLog[IdsEntry]:
    return ChangeLog(b"i|", IdsEntry)


def entry(number: int, size: int = 10) -> IdsEntry:
    return IdsEntry("r1", 0, number, ["x" * size])


def keys(records: Records) -> dict[bytes, bool]:
    """Which keys are written (True) or deleted (False)."""
    assert len({key for key, _ in records}) == len(records)
    return {key: value is not None for key, value in records}


def loaded_from(*cuts: Records) -> ChangeLog[IdsEntry]:
    again = log()
    for records in cuts:
        for key, value in records:
            again.load(key, value)
    return again


def numbers(segments: Iterable[list[IdsEntry]]) -> list[int]:
    return [each.generation for segment in segments for each in segment]


# -- the open tail -----------------------------------------------------------------------------------------------------
def test_nothing_new_writes_nothing() -> None:
    changes = log()
    assert changes.cut(0) == []
    changes.extend([entry(1)], 1)
    assert keys(changes.cut(0)) == {b"i|0": True}
    assert changes.cut(0) == []


def test_a_small_tail_is_written_again_until_it_is_large_and_then_never() -> None:
    changes = log()
    written = []
    for number in range(8):
        changes.extend([entry(number, TAIL_BYTES // 4)], number)
        (record,) = changes.cut(0)
        written.append(record[0])
    assert written == [b"i|0"] * 4 + [b"i|1"] * 4
    assert [number for number, _ in changes.sealed] == [0, 1]


def test_the_last_value_of_each_key_holds_every_entry_in_order() -> None:
    changes, cuts = log(), []
    for number in range(40):
        changes.extend([entry(number, TAIL_BYTES // 7)], number)
        if number % 3:
            cuts.append(changes.cut(0))
    cuts.append(changes.cut(0))
    assert numbers(loaded_from(*cuts).loaded()) == list(range(40))


def test_one_cut_of_much_is_split_into_segments_of_bounded_size() -> None:
    changes = log()
    for number in range(5):
        changes.extend([entry(number, SEGMENT_BYTES // 2 - 100)], number)
    records = changes.cut(0)
    assert keys(records) == {b"i|0": True, b"i|1": True, b"i|2": True}
    assert max(len(value) for _, value in records if value is not None) <= SEGMENT_BYTES + 100
    assert numbers(loaded_from(records).loaded()) == list(range(5))


def test_an_entry_larger_than_a_segment_has_one_of_its_own() -> None:
    changes = log()
    changes.extend([entry(0)], 0)
    changes.extend([entry(1, 2 * SEGMENT_BYTES)], 1)
    changes.extend([entry(2)], 2)
    records = changes.cut(0)
    assert keys(records) == {b"i|0": True, b"i|1": True, b"i|2": True}
    assert numbers(loaded_from(records).loaded()) == [0, 1, 2]


def test_a_tail_that_was_written_and_then_sealed_by_size_is_not_written_again() -> None:
    changes = log()
    changes.extend([entry(0)], 0)
    changes.cut(0)
    changes.extend([entry(1, SEGMENT_BYTES)], 1)
    assert keys(changes.cut(0)) == {b"i|1": True}


# -- forgetting --------------------------------------------------------------------------------------------------------
def sealed_log(stamps: list[int]) -> ChangeLog[IdsEntry]:
    changes = log()
    for stamp in stamps:
        changes.extend([entry(stamp, TAIL_BYTES)], stamp)
        changes.cut(0)
    return changes


def test_a_segment_is_forgotten_when_its_newest_stamp_is_old_enough() -> None:
    changes = sealed_log([10, 20, 30])
    assert changes.cut(10) == []
    assert changes.cut(11) == [(b"i|0", None)]
    assert changes.cut(30) == [(b"i|1", None)]
    assert changes.cut(31) == [(b"i|2", None)]
    assert changes.cut(99) == []


def test_a_segment_lives_as_long_as_its_newest_entry() -> None:
    changes = log()
    changes.extend([entry(0)], 50)
    changes.extend([entry(1, TAIL_BYTES)], 10)
    changes.cut(0)
    assert changes.cut(50) == []
    assert changes.cut(51) == [(b"i|0", None)]


def test_the_open_tail_is_never_forgotten() -> None:
    changes = log()
    changes.extend([entry(1)], 1)
    changes.cut(0)
    assert changes.cut(10**9) == []


def test_a_segment_whose_turn_has_not_come_keeps_those_behind_it() -> None:
    changes = sealed_log([30, 10])
    assert changes.cut(20) == []
    assert changes.cut(31) == [(b"i|0", None), (b"i|1", None)]


# -- restore -----------------------------------------------------------------------------------------------------------
def test_a_deleted_segment_does_not_come_back_and_its_number_is_not_used_again() -> None:
    again = loaded_from([(b"i|0", frame((1, [entry(1)]))), (b"i|7", frame((2, [entry(2)])))], [(b"i|7", None)])
    assert numbers(again.loaded()) == [1]
    again.extend([entry(3)], 3)
    assert keys(again.cut(0)) == {b"i|8": True}


def test_a_restored_log_goes_on_behind_what_was_written_and_forgets_it_in_time() -> None:
    changes = sealed_log([10, 20])
    changes.extend([entry(30)], 30)
    again = loaded_from(
        [(b"i|0", frame((10, [entry(10)]))), (b"i|1", frame((20, [entry(20)]))), (b"i|2", frame((30, [entry(30)])))]
    )
    assert numbers(again.loaded()) == [10, 20, 30]
    assert numbers(again.loaded()) == []
    again.extend([entry(40)], 40)
    assert keys(again.cut(21)) == {b"i|3": True, b"i|0": False, b"i|1": False}
    assert keys(again.cut(31)) == {b"i|2": False}


def test_segments_come_back_by_their_number() -> None:
    records: Records = [(b"i|%d" % number, frame((number, [entry(number)]))) for number in (10, 9, 2, 11)]
    assert numbers(loaded_from(records).loaded()) == [2, 9, 10, 11]


def test_a_corrupt_segment_is_refused_by_name() -> None:
    value = frame((1, [entry(1)]))
    again = loaded_from([(b"i|4", value[:-1] + b"?")])
    with pytest.raises(CorruptCheckpointError, match=r"i\|4"):
        list(again.loaded())
