"""Who may fold, and from where: every transition, and every slice that must be refused."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import pytest

from stream.records.reading import Taken
from stream.worker.ownership import END_KNOWN_FOR_MS, Drained, Ownership, Phase, RewoundError, Slice, Verdict

NOW_MS = 1_700_000_000_000


class Fetched(NamedTuple):
    offset: int
    timestamp: int = NOW_MS
    key: bytes | None = b"room"
    value: bytes | None = b"{}"
    headers: tuple[tuple[str, bytes], ...] = ()


def live(positions: tuple[int, ...] = (10, 20)) -> Ownership:
    ownership = Ownership(3, len(positions))
    assert ownership.restored()
    assert ownership.went_live(ownership.seeking(positions))
    return ownership


def drained(
    ownership: Ownership, *offsets: int, topic: int = 0, position: int | None = None, end: int = 100
) -> Drained:
    return Drained(
        topic_index=topic,
        partition=3,
        token=ownership.token,
        records=[Fetched(offset) for offset in offsets],
        position=offsets[-1] + 1 if position is None and offsets else position,
        end_offset=end,
        polled_at_ms=NOW_MS,
    )


def cut(ownership: Ownership, drain: Drained, size: int = 100) -> list[Slice]:
    return list(ownership.cut(drain, size))


def test_an_owner_lives_after_restore_and_seek_only() -> None:
    ownership = Ownership(0, 1)
    phases = [ownership.phase]
    assert ownership.restored()
    phases.append(ownership.phase)
    token = ownership.seeking([0])
    phases.append(ownership.phase)
    assert ownership.went_live(token)
    phases.append(ownership.phase)
    assert phases == [Phase.ACQUIRING, Phase.READY, Phase.READY, Phase.LIVE]


def test_an_owner_that_ended_while_it_was_acquiring_never_becomes_ready() -> None:
    ownership = Ownership(0, 1)
    ownership.end()
    assert not ownership.restored()
    assert ownership.phase is Phase.GONE


def test_a_seek_that_was_overtaken_by_a_pause_does_not_make_the_owner_live() -> None:
    ownership = Ownership(0, 1)
    ownership.restored()
    token = ownership.seeking([0])
    ownership.pause()
    assert not ownership.went_live(token)
    assert ownership.phase is Phase.READY


def test_tokens_never_repeat_not_even_over_owners_of_the_same_partition() -> None:
    tokens = []
    for _ in range(3):
        ownership = live()
        tokens.append(ownership.token)
        ownership.pause()
        tokens.append(ownership.token)
        ownership.end()
        tokens.append(ownership.token)
    assert len(set(tokens)) == len(tokens)


def test_slices_that_follow_each_other_are_folded_over_holes_in_the_offsets() -> None:
    ownership = live()
    first, second = cut(ownership, drained(ownership, 10, 11, 15, 19), size=2)
    assert (first.prev, first.next_offset) == (10, 12)
    assert (second.prev, second.next_offset) == (12, 20)
    assert ownership.accept(first) is Verdict.FOLD
    assert ownership.accept(second) is Verdict.FOLD
    assert ownership.accepted_to == [20, 20]


def test_a_slice_after_one_that_went_missing_is_a_gap() -> None:
    ownership = live()
    _lost, second = cut(ownership, drained(ownership, 10, 11, 12, 13), size=2)
    assert ownership.accept(second) is Verdict.GAP
    assert ownership.accepted_to == [10, 20]


def test_the_same_slice_twice_is_a_gap() -> None:
    ownership = live()
    (piece,) = cut(ownership, drained(ownership, 10, 11))
    assert ownership.accept(piece) is Verdict.FOLD
    assert ownership.accept(piece) is Verdict.GAP


@pytest.mark.parametrize("change", [Ownership.pause, Ownership.end])
def test_a_slice_from_before_a_pause_or_the_end_is_stale(change: object) -> None:
    ownership = live()
    (piece,) = cut(ownership, drained(ownership, 10))
    assert callable(change)
    change(ownership)
    assert ownership.accept(piece) is Verdict.STALE


def test_a_slice_of_an_earlier_owner_is_stale_even_if_it_fits() -> None:
    earlier, later = live(), live()
    (piece,) = cut(earlier, drained(earlier, 10))
    assert later.accept(piece) is Verdict.STALE


def test_a_slice_from_before_a_new_seek_is_stale() -> None:
    ownership = live()
    (piece,) = cut(ownership, drained(ownership, 10))
    ownership.pause()
    ownership.went_live(ownership.seeking([10, 20]))
    assert ownership.accept(piece) is Verdict.STALE


def test_records_that_were_drained_under_another_token_are_not_handed_out() -> None:
    ownership = live()
    old = drained(ownership, 10, 11)
    ownership.pause()
    ownership.went_live(ownership.seeking([10, 20]))
    assert cut(ownership, old) == []


def test_records_that_came_before_the_seek_was_known_to_be_done_are_missed() -> None:
    ownership = Ownership(3, 1)
    ownership.restored()
    token = ownership.seeking([10])
    assert cut(ownership, drained(ownership, 10, 11)) == []
    assert ownership.went_live(token)
    assert ownership.on_their_way() is not None
    (piece,) = cut(ownership, drained(ownership, 12))
    assert ownership.accept(piece) is Verdict.GAP


def test_handing_out_ends_when_the_owner_is_paused_under_it() -> None:
    ownership = live()
    pieces = ownership.cut(drained(ownership, 10, 11, 12), 1)
    next(pieces)
    ownership.pause()
    assert list(pieces) == []


def test_a_fetcher_that_goes_back_is_an_error() -> None:
    ownership = live()
    cut(ownership, drained(ownership, 10, 11))
    with pytest.raises(RewoundError):
        cut(ownership, drained(ownership, 11, 12))


def test_the_end_of_the_log_is_reached_only_when_all_that_was_fetched_is_accepted() -> None:
    ownership = live()
    first, second = cut(ownership, drained(ownership, 10, 11, end=12), size=1)
    assert not ownership.at_log_end(0, NOW_MS)
    ownership.accept(first)
    assert not ownership.at_log_end(0, NOW_MS)
    ownership.accept(second)
    assert ownership.at_log_end(0, NOW_MS)


def test_control_records_at_the_end_count_as_read() -> None:
    ownership = live()
    (piece,) = cut(ownership, drained(ownership, 10, position=13, end=13))
    ownership.accept(piece)
    assert ownership.accepted_to[0] == 11
    assert ownership.read_to(0) == 13
    assert ownership.at_log_end(0, NOW_MS)
    assert ownership.lag_records(0, folded_to=11) == 0


def test_an_old_fetch_answer_says_nothing_about_the_end() -> None:
    ownership = live()
    cut(ownership, drained(ownership, position=10, end=10))
    assert ownership.at_log_end(0, NOW_MS + END_KNOWN_FOR_MS)
    assert not ownership.at_log_end(0, NOW_MS + END_KNOWN_FOR_MS + 1)


def test_nothing_is_known_of_a_topic_that_was_never_fetched() -> None:
    ownership = live()
    assert not ownership.at_log_end(1, NOW_MS)
    assert ownership.lag_records(1, 20) is None


def test_what_was_known_of_the_end_is_forgotten_with_a_new_seek() -> None:
    ownership = live()
    cut(ownership, drained(ownership, position=10, end=10))
    ownership.pause()
    ownership.went_live(ownership.seeking([5, 20]))
    assert not ownership.at_log_end(0, NOW_MS)


def test_lag_is_what_lies_between_the_fold_and_the_end() -> None:
    ownership = live()
    (piece,) = cut(ownership, drained(ownership, 10, 11, 12, end=50))
    ownership.accept(piece)
    assert ownership.lag_records(0, folded_to=11) == 39
    assert ownership.lag_records(0, folded_to=13) == 37


def held_up(ownership: Ownership, stable: int, written: int, at_ms: int) -> int:
    seen = drained(ownership, position=stable, end=stable)
    cut(ownership, msgspec.structs.replace(seen, written_to=written, polled_at_ms=at_ms))
    return ownership.held_up_ms(0)


def test_an_open_transaction_is_timed_while_the_committed_part_stands_still_with_more_behind_it() -> None:
    ownership = live()
    assert held_up(ownership, 10, 10, 1_000) == 0
    assert held_up(ownership, 10, 12, 2_000) == 0
    assert held_up(ownership, 10, 14, 5_000) == 3_000
    assert held_up(ownership, 12, 14, 9_000) == 0  # it ended, and another one began
    assert held_up(ownership, 12, 15, 9_500) == 500
    assert held_up(ownership, 15, 15, 9_900) == 0
    assert ownership.held_up_ms(1) == 0


def test_what_large_records_come_to_goes_with_the_first_slice_of_a_drain() -> None:
    ownership = live()
    taken = Taken([Fetched(offset) for offset in range(10, 14)])
    taken.heavy_bytes = 5_000_000
    pieces = cut(ownership, msgspec.structs.replace(drained(ownership, 10), records=taken), 2)
    assert [piece.heavy_bytes for piece in pieces] == [5_000_000, 0]


def test_what_is_not_committed_is_beyond_the_end_of_the_log() -> None:
    ownership = live()
    held_up(ownership, 10, 99, NOW_MS)
    assert ownership.at_log_end(0, NOW_MS)
    assert ownership.lag_records(0, 10) == 0
