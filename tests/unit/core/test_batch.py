from __future__ import annotations

from stream.core.batch import Batch, by_room, newest_by_room


def test_chosen_events_keep_their_times() -> None:
    batch = Batch("abc", [1_000, 2_500, 2_600], [1, 2, 2])
    assert batch.those([True, False, True]) == Batch(["a", "c"], [1_000, 2_600], [1, 2])
    of_one_second = Batch("ab", [1_000, 1_500], 1)
    assert of_one_second.those([False, True]) == Batch(["b"], [1_500], 1)


def test_items_are_sorted_by_room_in_their_order() -> None:
    assert by_room(["r1", "r2", "r1"], "abc") == {"r1": ["a", "c"], "r2": ["b"]}
    assert by_room(["r1", "r1"], "ab") == {"r1": ["a", "b"]}
    assert by_room([], []) == {}


def test_the_newest_append_time_of_a_room_is_its_greatest() -> None:
    assert newest_by_room(["r1", "r2", "r1"], [1, 2, 3]) == {"r1": 3, "r2": 2}
    assert newest_by_room(["r1", "r2", "r1"], [9, 2, 3]) == {"r1": 9, "r2": 2}  # a producer's own times
