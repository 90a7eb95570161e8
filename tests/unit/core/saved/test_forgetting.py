from __future__ import annotations

from stream.core.rules import Rules
from tests.support.events import Log, comment, opened, order
from tests.support.rooms import restarted

RULES = Rules()


def test_orders_are_forgotten_by_time_and_counted() -> None:
    log = Log(Rules(room_idle_ms=10**12))
    day_s = RULES.remember_orders_ms // 1_000
    log.tick(0)
    log.add(opened(10), order("paid", "o1"))
    log.tick(day_s)
    log.fold.cut(1)
    log.add(order("paid", "o1", s=day_s))
    assert sum(log.fold.counters.duplicate) == 1
    log.tick(day_s + 0.001)
    log.fold.cut(1)
    assert log.fold.counters.orders_forgotten == 1
    log.add(order("paid", "o1", s=day_s))
    assert sum(log.fold.counters.duplicate) == 1


def test_beyond_the_bound_the_orders_that_have_not_changed_for_longest_are_forgotten() -> None:
    log = Log(Rules(remember_orders_max=4, signals_edition=2))
    log.tick(0)
    log.add(opened(100))
    for number in range(4):
        log.tick(number)
        log.add(order("paid", f"o{number}", f"u{number}", room=f"r{number % 2}", s=number))
    log.fold.cut(1)
    assert log.fold.counters.orders_displaced == 0
    log.tick(4)
    log.add(order("refunded", "o0", "u0", room="r0", s=4), order("paid", "o4", "u4", room="r0", s=4))
    log.fold.cut(1)
    assert [list(log.fold.rooms[room].orders) for room in ("r0", "r1")] == [["o2", "o0", "o4"], ["o3"]]
    assert (log.fold.counters.orders_forgotten, log.fold.counters.orders_displaced) == (0, 1)
    assert log.fold.remembered_orders() == 4
    assert [log.overlay(room).orders_displaced for room in ("r0", "r1")] == [None, 1]


def test_an_order_that_holds_units_is_not_forgotten_for_want_of_room() -> None:
    log = Log(Rules(remember_orders_max=2))
    log.tick(0)
    log.add(opened(10))
    for number in range(4):
        log.tick(number)
        log.add(order("placed", f"o{number}", f"u{number}", s=number))
    log.add(order("paid", "o4", "u4", s=3))
    log.fold.cut(1)
    assert log.fold.remembered_orders() == 5  # the oldest holds units
    log.tick(61)
    assert log.overlay().sales[0].held == 2
    log.fold.cut(1)
    assert list(log.fold.rooms["r1"].orders) == ["o2", "o3", "o4", "o0", "o1"]
    log.tick(100)
    assert log.overlay().sales[0].held == 0
    log.fold.cut(1)
    assert list(log.fold.rooms["r1"].orders) == ["o2", "o3"]  # the last to change


def test_an_order_that_holds_nothing_may_be_forgotten_though_it_was_never_paid() -> None:
    log = Log(Rules(remember_orders_max=2))
    for number in range(4):
        log.tick(number)
        log.add(order("placed", f"o{number}", f"u{number}", sale=None, s=number))
    log.fold.cut(1)
    assert list(log.fold.rooms["r1"].orders) == ["o2", "o3"]


def test_orders_of_one_moment_go_together_when_it_is_over() -> None:
    log = Log(Rules(remember_orders_max=2))
    log.tick(0)
    log.add(*(order("paid", f"o{number}", f"u{number}") for number in range(40)))
    log.fold.cut(1)
    assert log.fold.remembered_orders() == 40
    log.tick(1)
    log.add(order("paid", "o40", "u40", s=1))
    log.fold.cut(1)
    assert list(log.fold.rooms["r1"].orders) == ["o40"]


def test_a_restored_partition_does_not_remember_orders_that_were_forgotten_for_want_of_room() -> None:
    rules = Rules(remember_orders_max=3, signals_edition=2)
    log, saved = Log(rules), dict[bytes, bytes | None]()
    for number in range(5):
        log.tick(number)
        log.add(order("paid", f"o{number}", f"u{number}", s=number))
    again = restarted(log.fold, saved, rules)
    assert list(log.fold.rooms["r1"].orders) == list(again.rooms["r1"].orders) == ["o2", "o3", "o4"]
    assert again.rooms["r1"].ledgers.keys() == log.fold.rooms["r1"].ledgers.keys()
    assert log.fold.rooms["r1"].orders_displaced == again.rooms["r1"].orders_displaced == 2
    for log_s in range(5, 900):
        log.tick(log_s)
        log.add(order("paid", f"o{log_s}-{'x' * 100}", f"u{log_s}", s=log_s))
        saved |= dict(log.fold.cut(1).records)
    in_topic = [key for key, value in saved.items() if key.startswith(b"o|") and value is not None]
    assert len(in_topic) <= 2, "segments whose orders are all forgotten go from the topic too"


def test_how_many_orders_of_a_room_without_a_session_were_displaced_is_saved() -> None:
    rules = Rules(signals_edition=2, remember_sales_ms=10**9, room_idle_ms=5_000, remember_orders_max=3)
    log, saved = Log(rules), dict[bytes, bytes | None]()
    for number in range(3):
        log.tick(number)
        log.add(order("paid", f"o{number}", f"u{number}", s=number))
    log.tick(20)
    fold = log.fold = restarted(log.fold, saved, rules)
    assert (list(fold.rooms), fold.dormant_rooms()) == ([], 1)
    for number in range(20, 22):
        log.tick(number)
        log.add(order("paid", f"o{number}", f"u{number}", room="r2", s=number))
    log.fold = restarted(log.fold, saved, rules)
    log.tick(23)
    log.add(comment(s=23))
    assert [log.overlay(room).orders_displaced for room in ("r1", "r2")] == [2, None]
