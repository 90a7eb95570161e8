"""The way of one partition from slice to state, step by step, without a loop of events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.worker import pump as module
from stream.worker.ownership import Phase, Verdict
from tests.unit.worker.helpers import LIKES, NOW_MS, Fetched, all_at_end, fetched, like, live_owner

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from stream.worker.partition_owner import Owner


def steps_of(owner: Owner) -> Iterator[bool]:
    return owner.pump.steps(lambda: NOW_MS, wall_clock=True)


def with_likes(count: int) -> Owner:
    owner = live_owner()
    all_at_end(owner, besides=LIKES)
    for piece in fetched(owner, LIKES, [like(offset) for offset in range(count)]):
        assert owner.pump.offer(piece) is Verdict.FOLD
    return owner


def test_a_step_for_each_piece_and_others_need_no_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PIECE_RECORDS", 2)
    owner = with_likes(5)
    seen = [(others_must, owner.fold.positions[LIKES]) for others_must in steps_of(owner)]
    assert seen == [(False, 2), (False, 4), (False, 5)]
    assert owner.fold.clock_ms == NOW_MS


def test_without_anything_to_fold_the_clock_moves_in_no_step() -> None:
    owner = live_owner()
    all_at_end(owner, besides=-1)
    assert list(steps_of(owner)) == []
    assert owner.fold.clock_ms == NOW_MS


def test_after_a_step_in_which_the_token_changed_nothing_more_is_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PIECE_RECORDS", 2)
    owner = with_likes(6)
    steps = steps_of(owner)
    next(steps)
    owner.pause()
    assert list(steps) == []
    assert owner.fold.positions[LIKES] == 2


def test_a_slice_that_may_not_be_folded_does_not_wait_in_the_merge() -> None:
    owner = live_owner()
    first, second = fetched(owner, LIKES, [like(0)]) + fetched(owner, LIKES, [like(1)])
    assert owner.pump.offer(second) is Verdict.GAP
    owner.pause()
    assert owner.pump.offer(first) is Verdict.STALE
    assert owner.merge.queued_records() == 0


def test_a_checkpoint_is_due_at_once_beyond_the_bound_of_refused_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REFUSED_MAX", 1)
    owner = live_owner()
    all_at_end(owner, besides=LIKES)
    due = []
    for offset in range(2):
        (piece,) = fetched(owner, LIKES, [Fetched(offset, b"not json")])
        owner.pump.offer(piece)
        list(steps_of(owner))
        due.append(owner.pump.must_save())
    assert due == [False, True]


def test_a_closed_owner_s_pump_holds_none_of_its_state() -> None:
    owner = with_likes(3)
    before = owner.pump
    owner.close()
    assert owner.phase is Phase.GONE
    assert owner.pump is not before
    assert list(steps_of(owner)) == []
    assert (owner.fold.rooms, owner.merge.queued_records()) == ({}, 0)
