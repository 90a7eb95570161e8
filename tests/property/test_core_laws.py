"""Laws of the fold, over random rooms: it equals a naive recount, whatever the order, the slices and the restarts."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.support.rooms import (
    T0_MS,
    all_figures,
    fold_merged,
    fold_plainly,
    new_fold,
    random_log,
    recounted,
    restarted,
    slices,
)

if TYPE_CHECKING:
    from stream.core.partition import PartitionFold

Saved = dict[bytes, bytes | None]  # the compacted topic
SEEDS = range(60)
END_MS = T0_MS + 200_000


@pytest.mark.parametrize("seed", SEEDS)
def test_fold_equals_the_recount_in_any_order_across_topics(seed: int) -> None:
    log = random_log(seed)
    recount = recounted(log)
    expected = {room_id: recount.room(room_id, END_MS) for room_id in recount.room_ids()}
    assert all_figures(fold_plainly(slices(log, Random(seed)), END_MS)) == expected
    assert all_figures(fold_merged(log, Random(seed + 1), END_MS)) == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_fold_equals_the_recount_while_windows_are_full(seed: int) -> None:
    log = random_log(seed, duration_ms=20_000)
    end_ms = T0_MS + 25_000
    recount = recounted(log)
    expected = {room_id: recount.room(room_id, end_ms) for room_id in recount.room_ids()}
    assert all_figures(fold_plainly(slices(log, Random(seed)), end_ms)) == expected


def accounts(fold: PartitionFold) -> tuple[int, int, int, int]:
    counters = fold.counters
    return sum(counters.received), sum(counters.applied), sum(counters.duplicate), sum(counters.dead_lettered)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_record_is_accounted_for_as_the_recount_has_it(seed: int) -> None:
    log = random_log(seed)
    fold = fold_plainly(slices(log, Random(seed)), END_MS)
    expected = recounted(log).accounts
    received, applied, duplicate, dead_lettered = accounts(fold)
    assert received == applied + duplicate + dead_lettered
    assert (received, applied, duplicate) == (expected.received, expected.applied, expected.duplicate)
    assert fold.counters.retimed == expected.retimed
    assert fold.counters.dead_letters == expected.dead_lettered
    assert len(fold.refused) == dead_lettered


@pytest.mark.parametrize("seed", SEEDS)
def test_restarts_from_checkpoints_change_nothing(seed: int) -> None:
    log, random = random_log(seed), Random(seed)
    pieces = slices(log, random)
    straight = fold_plainly(pieces, END_MS)
    fold, saved = new_fold(), Saved()
    for topic, piece in pieces:
        fold.fold(topic, piece)
        if random.random() < 0.2:
            fold = restarted(fold, saved)
    fold.advance(END_MS, "tick")
    assert all_figures(fold) == all_figures(straight)
    assert fold.positions == straight.positions
    # Both remember the same ids: all of it again changes nothing.
    for topic, records in enumerate(log):
        fold.fold(topic, records)
    assert all_figures(fold) == all_figures(straight)


@pytest.mark.parametrize("seed", range(20))
def test_restarts_while_the_clock_moves_change_nothing(seed: int) -> None:
    log, random = random_log(seed, duration_ms=400_000), Random(seed)
    records = sorted(
        ((record.timestamp, topic, record) for topic, records in enumerate(log) for record in records),
        key=lambda item: item[:2],
    )
    straight, fold, saved = new_fold(), new_fold(), Saved()
    for timestamp, topic, record in records:
        for each in (straight, fold):
            each.fold(topic, [record])
            each.advance(timestamp, "tick")
        if random.random() < 0.05:
            fold = restarted(fold, saved)
    assert all_figures(fold) == all_figures(straight)


def test_a_cut_without_changes_writes_nothing() -> None:
    fold = fold_plainly(slices(random_log(1), Random(1)), END_MS)
    assert fold.cut(1).records
    assert fold.cut(1).records == []
    assert fold.cut(1).signals == []


@pytest.mark.parametrize("seed", range(20))
def test_the_ledger_balances_at_every_moment(seed: int) -> None:
    fold = new_fold()
    for topic, piece in slices(random_log(seed), Random(seed), most=1):
        fold.fold(topic, piece)
        fold.advance(piece[-1].timestamp, "tick")
        for room in fold.rooms.values():
            for ledger in room.ledgers.values():
                assert sum(held for held, _ in ledger.users.values()) == ledger.held
                assert sum(sold for _, sold in ledger.users.values()) == ledger.sold
                if ledger.available is not None and ledger.offered is not None:
                    assert ledger.offered + ledger.restocked == ledger.available + ledger.held + ledger.sold


def test_a_room_that_begins_before_the_clock_is_known_does_not_end_at_once() -> None:
    log = random_log(5, rooms=1)
    fold = new_fold()
    fold.fold(1, log[1])
    fold.advance(END_MS, "tick")
    assert len(fold.publish(END_MS, 1)) == 1
    assert fold.counters.rooms_ended == 0
