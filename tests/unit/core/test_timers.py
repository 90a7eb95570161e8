from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stream.core import sale, timers
from stream.core.rules import Rules
from stream.core.sale import awake_ms
from tests.support.events import Log, at, closed, extended, like, opened, order, restocked

if TYPE_CHECKING:
    from stream.contract.events import RoomEvent
    from stream.core.room import Room

RULES = Rules()
AWAKE_S = awake_ms(RULES) // 1_000


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Every look at a room's levels: whose, and at which second."""
    seen: list[tuple[str, int]] = []
    really = sale.move_urgencies

    def noted(room: Room, second_ms: int) -> bool:
        seen.append((room.room_id, (second_ms - at(0)) // 1_000))
        return really(room, second_ms)

    monkeypatch.setattr(timers, "move_urgencies", noted)
    return seen


def level(log: Log) -> tuple[str, int]:
    urgency = log.fold.rooms["r1"].urgencies["s1", "k1"]
    return urgency.level, (urgency.since_ms - at(0)) // 1_000


def test_levels_move_on_whole_seconds_whether_or_not_anybody_looks(looks: list[tuple[str, int]]) -> None:
    log = Log()
    log.tick(0.5)
    log.add(opened(100_000, s=0.5), order("placed", units=40, s=0.6))
    log.tick(0.9)
    assert looks == []
    log.tick(1)
    assert looks == [("r1", 0)]
    assert level(log) == ("snap_up", 0)
    log.tick(1.9)
    assert len(looks) == 1
    log.tick(4.2)
    assert looks == [("r1", 0), ("r1", 1), ("r1", 2), ("r1", 3)]


def test_rooms_without_sales_cost_nothing(looks: list[tuple[str, int]]) -> None:
    log = Log()
    log.tick(0)
    for number in range(100):
        log.add(like(room=f"r{number}"))
    log.tick(3_600)
    assert looks == []


def test_a_silent_room_with_a_sale_falls_asleep_when_time_alone_can_move_nothing(
    looks: list[tuple[str, int]],
) -> None:
    log = Log()
    log.tick(0)
    log.add(opened(100_000, ends_s=None), order("paid", units=40))
    log.tick(20_000)
    assert len(looks) == AWAKE_S + 1
    assert level(log)[0] == "calm"
    looks.clear()
    log.add(order("paid", "o2", units=40, s=20_000))
    log.tick(20_001)
    assert looks == [("r1", 20_000)]
    assert level(log) == ("snap_up", 20_000)


def test_a_room_asleep_wakes_at_the_start_and_at_the_end_of_its_sale(looks: list[tuple[str, int]]) -> None:
    log = Log()
    log.tick(0)
    log.add(opened(starts_s=1_000.25, ends_s=2_000))
    log.tick(900)
    looks.clear()
    log.tick(5_000)
    assert looks == [("r1", 1_000), ("r1", 2_000)]
    assert level(log) == ("ended", 2_000)


def test_an_end_that_moved_wakes_at_the_new_end_too(looks: list[tuple[str, int]]) -> None:
    log = Log()
    log.tick(0)
    log.add(opened(ends_s=500))
    log.tick(300)
    log.add(extended(600, s=300))
    log.tick(450)
    looks.clear()
    log.tick(5_000)
    assert [second for _, second in looks] == [500, 600]
    assert level(log) == ("ended", 600)


def test_an_ended_sale_is_not_looked_at_for_ever(looks: list[tuple[str, int]]) -> None:
    log = Log()
    log.tick(0)
    log.add(opened(), closed(s=1))
    log.tick(100)
    looks.clear()
    log.tick(20_000)
    assert looks == [("r1", 600)]  # its announced end


def test_a_hold_that_runs_out_wakes_the_room(looks: list[tuple[str, int]]) -> None:
    log = Log(Rules(hold_ms=500_000))
    log.tick(0)
    log.add(opened(10, ends_s=None), order("placed", units=10))
    log.tick(499)
    assert level(log)[0] == "sold_out"
    looks.clear()
    log.tick(501)
    assert looks == [("r1", 500)]
    assert level(log) == ("calm", 500)


def test_a_leap_of_the_clock_does_all_that_steps_do_in_the_same_order() -> None:
    rules = Rules(room_idle_ms=120_000, remember_ids_ms=60_000, hold_ms=30_000)
    leap, steps = Log(rules), Log(rules)
    first: list[RoomEvent] = [
        opened(50, ends_s=90.3),
        order("placed", "o1", units=20),
        order("paid", "o2", "u2", 5, s=2),
    ]
    second: list[RoomEvent] = [restocked(7, s=5), like(room="r2", s=5)]
    for log in (leap, steps):
        log.tick(0)
        log.add(*first)
        log.tick(5)
        log.add(*second)
    for tenth in range(51, 1_200):
        steps.tick(tenth / 10)
    leap.tick(119.9)
    assert leap.overlay() == steps.overlay()
    assert leap.fold.rooms["r1"].orders["o1"].changed_ms == at(30)
    assert leap.fold.cut(1) == steps.fold.cut(1)
    leap.tick(125.1)
    assert set(leap.fold.rooms) == set()
    assert leap.fold.counters.rooms_ended == 2


def test_a_session_ends_at_its_moment_however_far_the_clock_leaps() -> None:
    log = Log(Rules(room_idle_ms=100_000, hold_ms=100_002))
    log.tick(0)
    log.add(opened(10), order("placed"))
    log.tick(500)
    assert log.fold.counters.rooms_ended == 1
    assert log.fold.counters.holds_expired == 0  # 2 ms after the end


def test_a_room_that_speaks_again_lives_on() -> None:
    log = Log(Rules(room_idle_ms=100_000))
    log.tick(0)
    log.add(like())
    log.tick(60)
    log.add(like("u2", s=60))
    log.tick(160)
    assert set(log.fold.rooms) == {"r1"}
    log.tick(160.001)
    assert set(log.fold.rooms) == set()
