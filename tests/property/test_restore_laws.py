"""A restored partition is the one that never stopped: the same documents, to the byte, then and from then on."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from stream.core.rules import Rules
from tests.support.order_laws import in_append_order
from tests.support.rooms import T0_MS, new_fold, random_log, restarted

if TYPE_CHECKING:
    from stream.core.partition import PartitionFold

Saved = dict[bytes, bytes | None]  # the compacted topic
EPOCH = 4
RULES = Rules()
# Everything that is bounded comes to its bound here.
TIGHT = Rules(
    distinct_exact_max=12,
    remember_ids_ms=60_000,
    remember_orders_ms=90_000,
    remember_orders_max=12,
    presence_timeout_ms=40_000,
    room_idle_ms=100_000,
    sales_per_room_max=3,
    ids_by_topic=True,
)


def documents(fold: PartitionFold, wall_ms: int) -> list[tuple[str, int, bytes]]:
    return [(each.room_id, each.ttl_ms, each.document) for each in fold.publish(wall_ms, EPOCH, everything=True)]


def align_revisions(fold: PartitionFold, straight: PartitionFold) -> None:
    """What a silent room's refreshes use up is not saved: a new owner has a greater epoch, which counts first."""
    assert set(fold.rooms) == set(straight.rooms)
    for room_id, room in fold.rooms.items():
        assert room.rev <= straight.rooms[room_id].rev
        room.rev = straight.rooms[room_id].rev


@pytest.mark.parametrize("rules", [RULES, TIGHT], ids=["default", "tight"])
@pytest.mark.parametrize("seed", range(16))
def test_a_restored_partition_publishes_what_the_one_that_never_stopped_does(seed: int, rules: Rules) -> None:
    random = Random(seed)
    log = random_log(seed, events=250, duration_ms=random.choice([20_000, 120_000, 600_000]))
    straight, fold, saved = new_fold(rules), new_fold(rules), Saved()
    wall_ms = T0_MS
    for number, (topic, record) in enumerate(in_append_order(log)):
        for each in (straight, fold):
            each.fold(topic, [record])
            each.advance(record.timestamp, "tick")
        wall_ms = record.timestamp + 40
        if number % 5 == 0:
            assert documents(fold, wall_ms) == documents(straight, wall_ms)
        if random.random() < 0.1:
            fold.encode_early()
        if random.random() < 0.06:
            # Both save, as owners do; what was saved is only ever read by the restarted one.
            straight.cut(EPOCH)
            fold = restarted(fold, saved, rules)
            align_revisions(fold, straight)
            fold.advance(record.timestamp, "tick")  # the new owner says itself what moves its clock
            assert documents(fold, wall_ms) == documents(straight, wall_ms)
    for later_ms in (1_000, 7_000, 61_000, 400_000):
        for each in (straight, fold):
            each.advance(wall_ms + later_ms, "tick")
        assert documents(fold, wall_ms + later_ms) == documents(straight, wall_ms + later_ms)


def test_documents_do_not_depend_on_how_often_documents_were_made() -> None:
    for seed in range(10):
        log = random_log(seed, duration_ms=60_000)
        often, rarely = new_fold(), new_fold()
        for number, (topic, record) in enumerate(in_append_order(log)):
            for each in (often, rarely):
                each.fold(topic, [record])
                each.advance(record.timestamp, "tick")
            documents(often, record.timestamp)
            if number % 20 == 0:
                documents(rarely, record.timestamp)
        for each in (often, rarely):
            each.advance(T0_MS + 60_000, "tick")
        align_revisions(rarely, often)
        assert documents(rarely, T0_MS + 60_000) == documents(often, T0_MS + 60_000)


@pytest.mark.parametrize("seed", range(10))
def test_restarting_twice_in_a_row_is_restarting_once(seed: int) -> None:
    log = random_log(seed)
    fold, saved = new_fold(), Saved()
    for topic, record in in_append_order(log):
        fold.fold(topic, [record])
    fold.advance(T0_MS + 100_000, "tick")
    once = restarted(fold, saved)
    again = restarted(once, saved)
    assert documents(again, T0_MS + 100_000) == documents(once, T0_MS + 100_000)
    assert again.positions == once.positions == fold.positions


@pytest.mark.parametrize("seed", range(4))
def test_what_was_saved_does_not_depend_on_how_often_it_was_saved(seed: int) -> None:
    log = random_log(seed, events=150)
    often, rarely = new_fold(), new_fold()
    saved_often: dict[bytes, bytes | None] = {}
    saved_rarely: dict[bytes, bytes | None] = {}
    for topic, record in in_append_order(log):
        for each in (often, rarely):
            each.fold(topic, [record])
            each.advance(record.timestamp, "tick")
        saved_often |= dict(often.cut(EPOCH).records)
    one = restarted(often, {key: value for key, value in saved_often.items() if value is not None})
    other = restarted(rarely, saved_rarely)
    align_revisions(one, often)
    align_revisions(other, often)
    assert documents(one, T0_MS + 200_000) == documents(other, T0_MS + 200_000)
