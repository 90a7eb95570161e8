from __future__ import annotations

from stream.core.saved.changelog import SEGMENT_BYTES
from stream.core.saved.entries import ENTRY_ITEMS, IdsEntry, pieces
from stream.core.saved.frames import frame


def test_items_are_split_into_entries_of_bounded_size() -> None:
    items = list(range(2 * ENTRY_ITEMS + 1))
    parts = [list(part) for part in pieces(items)]
    assert [len(part) for part in parts] == [ENTRY_ITEMS, ENTRY_ITEMS, 1]
    assert [item for part in parts for item in part] == items
    assert list(pieces([])) == []


def test_an_entry_of_the_longest_ids_fits_into_a_segment() -> None:
    ids = ["x" * 64] * ENTRY_ITEMS
    assert len(frame((1, [IdsEntry("r" * 64, 0, 1, ids)]))) <= SEGMENT_BYTES
