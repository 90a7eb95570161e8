"""What is over is free at once: a worker's collector runs through everything once in months."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from stream.contract.events import TOPIC_NAMES
from stream.core.partition import PartitionFold
from stream.mechanics.folds import INSTALLED
from stream.settings import load_settings
from tests.chaos import traffic
from tests.support.rooms import T0_MS, TOPICS, Rec
from tests.support.rooms_in_memory import rooms_in_memory

if TYPE_CHECKING:
    import pytest

RULES = load_settings().rules(INSTALLED)
ROOMS = [f"r{number}" for number in range(4)]


def an_hour(monkeypatch: pytest.MonkeyPatch) -> PartitionFold:
    """Four rooms in which hosts begin and end shows, with orders, carts, gifts and coupons."""
    clock_ms = T0_MS
    monkeypatch.setattr(traffic, "now_ms", lambda: clock_ms)
    shop = traffic.Shop(7, ROOMS, says_all=True)
    fold = PartitionFold(3, RULES, TOPICS, mechanics=INSTALLED)
    offsets = [0] * len(TOPICS)
    records = list(shop.openings())
    for _ in range(600):
        for topic, room, value in records:
            index = TOPIC_NAMES.index(topic)
            fold.fold(index, [Rec(value, room.encode(), offsets[index], clock_ms)])
            offsets[index] += 1
        clock_ms += 6_000
        fold.advance(clock_ms, "tick")
        records = list(shop.records(3))
    return fold


def test_a_session_that_has_ended_leaves_nothing_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    with rooms_in_memory() as count:
        fold = an_hour(monkeypatch)
        assert fold.counters.rooms_closed > 3
        assert all(room.engaged is not None for room in fold.rooms.values())
        assert count() == len(fold.rooms) + fold.dormant_rooms()


def test_a_fold_that_is_let_go_leaves_nothing_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    with rooms_in_memory() as count:
        fold = an_hour(monkeypatch)
        cut = fold.cut(1)
        for steps in (0, 3, 20, None):  # a take-over that goes on to its end, and one that is given up on its way
            again = PartitionFold(3, RULES, TOPICS, mechanics=INSTALLED)
            for key, value in cut.records:
                again.load(key, value)
            loading = again.loading(cut.positions, cut.clock_ms, cut.version)
            taken = sum(1 for _ in islice(loading, steps))
            assert steps is None or taken == steps
            again.let_go()
            for _ in again.letting_go():
                pass
            assert again.remembered_orders() == 0
            del again, loading
            assert count() == len(fold.rooms) + fold.dormant_rooms()
        fold.let_go()
        del fold
        assert count() == 0
