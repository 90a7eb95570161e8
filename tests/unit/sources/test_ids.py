from __future__ import annotations

from stream.contract.ids import is_id
from stream.sources.ids import row_id


def test_row_ids_tell_place_and_fields_apart() -> None:
    ids = {
        row_id("x", 1, ["a", "b"]),
        row_id("x", 2, ["a", "b"]),
        row_id("x", 1, ["a", "c"]),
        row_id("x", 1, ["ab", ""]),
        row_id("y", 1, ["a", "b"]),
    }
    assert len(ids) == 5
    assert all(map(is_id, ids))
    assert row_id("x", 1, ["a", "b"]) == row_id("x", 1, ["a", "b"])
