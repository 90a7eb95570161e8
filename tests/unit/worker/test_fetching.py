"""When to fetch again, and in which bundles slices travel."""

from __future__ import annotations

from stream.worker.fetching import fetch_terms, hauls
from stream.worker.ownership import Drained, Slice
from tests.unit.worker.helpers import NOW_MS, like

# -- terms -------------------------------------------------------------------------------------------------------------


def drained(records: int) -> Drained:
    return Drained(0, 0, 1, [like(offset) for offset in range(records)], 10, 10, NOW_MS)


def test_while_records_come_the_broker_collects_them() -> None:
    terms = fetch_terms([drained(0), drained(1)], 25)
    assert terms.max_wait_ms == 25
    assert terms.min_bytes > 100_000


def test_after_a_silence_the_first_record_comes_at_once() -> None:
    for silent in ([drained(0)], []):
        terms = fetch_terms(silent, 25)
        assert terms.min_bytes == 1
        assert terms.max_wait_ms > 25


def test_while_anything_is_not_wanted_no_fetch_waits_long_for_it_may_be_wanted_soon() -> None:
    for silent in ([drained(0)], []):
        terms = fetch_terms(silent, 25, all_wanted=False)
        assert terms.max_wait_ms == 25
        assert terms.min_bytes > 100_000


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
