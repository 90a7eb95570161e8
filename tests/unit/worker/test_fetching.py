"""When to fetch again, and in which bundles slices travel."""

from __future__ import annotations

import pytest

from stream.worker.fetching import FetchPace, hauls
from stream.worker.ownership import Drained, Slice
from tests.unit.worker.helpers import NOW_MS, like

# -- pace --------------------------------------------------------------------------------------------------------------


def drained(records: int, *, position: int | None = 10, end: int | None = 10) -> Drained:
    return Drained(0, 0, 1, [like(offset) for offset in range(records)], position, end, NOW_MS)


def pace_after(*drains: Drained) -> float:
    pace = FetchPace(0.025)
    pace.drained(drains)
    return pace.next_wait_s


def test_after_a_little_there_is_a_pause() -> None:
    assert pace_after(drained(1), drained(0)) == 0.025


def test_in_a_backlog_there_is_none() -> None:
    assert pace_after(drained(1), drained(0, position=9)) == 0


def test_after_much_there_is_none() -> None:
    assert pace_after(drained(500), drained(500)) == 0


@pytest.mark.parametrize(("position", "end"), [(None, 10), (10, None)])
def test_while_the_end_is_not_known_there_is_none(position: int | None, end: int | None) -> None:
    assert pace_after(drained(0, position=position, end=end)) == 0


# -- hauls ------------------------------------------------------------------------------------------------------------


def slices(*sizes: int) -> list[Slice]:
    return [Slice(0, index, 1, 0, [like(offset) for offset in range(size)]) for index, size in enumerate(sizes)]


def test_slices_travel_in_bundles_that_are_closed_when_they_hold_enough() -> None:
    pieces = slices(3, 1, 4, 9, 2)
    bundles = list(hauls(pieces, 4))
    assert [[len(piece.records) for piece in bundle] for bundle in bundles] == [[3, 1], [4], [9], [2]]
    assert [piece for bundle in bundles for piece in bundle] == pieces


def test_of_nothing_there_is_no_haul() -> None:
    assert list(hauls([], 4)) == []
