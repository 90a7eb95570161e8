"""A backlog of ten minutes of one topic ends where live traffic did: the same totals, ledgers and windows."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from stream.contract.events import TOPIC_NAMES
from stream.core.merge import TopicMerge
from tests.support.rooms import T0_MS, TOPICS, all_figures, new_fold, random_log

if TYPE_CHECKING:
    from stream.core.partition import PartitionFold
    from tests.support.rooms import Log

MINUTES_10_MS = 600_000
END_MS = T0_MS + MINUTES_10_MS


def live(log: Log) -> PartitionFold:
    """Each record is read as it comes, and the wall clock ticks."""
    fold = new_fold()
    records = sorted(
        ((record.timestamp, topic, record) for topic, records in enumerate(log) for record in records),
        key=lambda item: item[:2],
    )
    for timestamp, topic, record in records:
        fold.fold(topic, [record])
        fold.advance(timestamp + 20, "tick")
    fold.advance(END_MS, "tick")
    return fold


def go_on(fold: PartitionFold, merge: TopicMerge, wall_ms: int) -> None:
    """Fold what may be folded now, as the worker does."""
    while (taken := merge.take()) is not None:
        fold.fold(*taken)
        fold.advance(*merge.clock_ms(wall_ms))
    clock_ms, source = merge.clock_ms(wall_ms)
    if clock_ms >= 0:
        fold.advance(clock_ms, source)


def with_backlog(log: Log, late: int, random: Random) -> PartitionFold:
    """One topic is not read for ten minutes while the others go on; then all of it comes at once."""
    fold, merge = new_fold(), TopicMerge(len(TOPICS), 100_000)
    for topic in range(len(TOPICS)):
        merge.set_log_end(topic, topic != late)

    read = [0] * len(TOPICS)
    for wall_ms in range(T0_MS, END_MS, 500):
        for topic, records in enumerate(log):
            end = next((at for at in range(read[topic], len(records)) if records[at].timestamp > wall_ms), len(records))
            if topic != late and end > read[topic]:
                merge.offer(topic, records[read[topic] : end])
                read[topic] = end
        go_on(fold, merge, wall_ms)
    held_back = merge.queued_records()
    assert held_back > 0
    at = 0
    while at < len(log[late]):
        size = random.randrange(1, 60)
        merge.offer(late, log[late][at : at + size])
        at += size
        merge.set_log_end(late, at >= len(log[late]))
        go_on(fold, merge, END_MS)
    for topic, records in enumerate(log):
        if topic != late:
            merge.offer(topic, records[read[topic] :])
    go_on(fold, merge, END_MS)
    assert merge.queued_records() == 0
    return fold


@pytest.mark.parametrize("late", ["orders", "cart-adds", "sales", "visits"])
@pytest.mark.parametrize("seed", range(6))
def test_ten_minutes_of_one_topic_behind_change_no_figure(seed: int, late: str) -> None:
    log = random_log(seed, events=500, duration_ms=MINUTES_10_MS)
    straight = live(log)
    behind = with_backlog(log, TOPIC_NAMES.index(late), Random(seed))
    assert behind.clock_ms == straight.clock_ms == END_MS
    assert behind.positions == straight.positions
    assert all_figures(behind) == all_figures(straight)
    assert {
        (room_id, key): (ledger.held, ledger.sold, ledger.released, ledger.recent, ledger.bought)
        for room_id, room in behind.rooms.items()
        for key, ledger in room.ledgers.items()
    } == {
        (room_id, key): (ledger.held, ledger.sold, ledger.released, ledger.recent, ledger.bought)
        for room_id, room in straight.rooms.items()
        for key, ledger in room.ledgers.items()
    }
