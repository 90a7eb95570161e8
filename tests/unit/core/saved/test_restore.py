from __future__ import annotations

import pytest

from stream.core.ids import ANY_TOPIC
from stream.core.partition import PartitionFold
from stream.core.rules import Rules
from stream.core.saved.frames import CorruptCheckpointError
from stream.core.saved.growth import TOPICS_1
from tests.support.events import Log, at, cart, every_kind, like, opened, order
from tests.support.rooms import TOPICS, restarted

Saved = dict[bytes, bytes | None]  # the compacted topic
RULES = Rules()
HALF_REMEMBER_S = RULES.remember_ids_ms // 2_000


def test_unknown_kinds_of_records_are_passed_over() -> None:
    fold = PartitionFold(0, RULES, TOPICS)
    fold.load(b"m", b"whatever")
    fold.load(b"z|9", b"whatever")
    saved = [*range(1, TOPICS_1 + 1)]
    fold.loaded(saved, at(3))
    assert (fold.positions, fold.clock_ms, fold.rooms) == ([*saved, 0], at(3), {})


@pytest.mark.parametrize("kind", [b"r|", b"b|", b"d|", b"i|", b"o|", b"p|"])
@pytest.mark.parametrize("damage", ["a newer version", "a flipped bit", "cut off"])
def test_a_checkpoint_that_cannot_be_read_is_refused_with_the_key_named(kind: bytes, damage: str) -> None:
    log = Log()
    every_kind(log)
    fold = PartitionFold(0, RULES, TOPICS)
    broken = b""
    for key, value in log.fold.cut(1).records:
        assert value is not None
        if key.startswith(kind) and not broken:
            broken = key
            if damage == "a newer version":
                value = b"\x02" + value[1:]  # noqa: PLW2901
            elif damage == "a flipped bit":
                value = value[:-1] + bytes([value[-1] ^ 1])  # noqa: PLW2901
            else:
                value = value[:-1]  # noqa: PLW2901
        fold.load(key, value)
    with pytest.raises(CorruptCheckpointError) as raised:
        fold.loaded([0] * len(TOPICS), at(0))
    assert repr(broken) in str(raised.value)


def test_a_tombstone_in_the_checkpoint_takes_its_record_away() -> None:
    log = Log()
    every_kind(log)
    log.add(cart(room="r2"))
    ((sale_id, sku_id),) = log.fold.rooms["r2"].ledgers
    fold = PartitionFold(0, RULES, TOPICS)
    for key, value in log.fold.cut(1).records:
        fold.load(key, value)
    for key in (b"r|r1", f"b|r2|c,{sale_id},{sku_id}|0".encode(), b"r|never-there"):
        fold.load(key, None)
    fold.loaded([0] * len(TOPICS), at(0))
    assert list(fold.rooms) == ["r2"]
    assert fold.rooms["r2"].ledgers[sale_id, sku_id].carters.count() == 0


def test_a_restored_partition_has_its_holds_in_the_order_in_which_they_run_out() -> None:
    log, saved = Log(), Saved()
    log.tick(0)
    log.add(opened(100))
    for number, s in enumerate((9, 3, 7, 1)):
        log.add(order("placed", f"o{number}", f"u{number}", s=s))
    log.add(order("paid", "o3", "u3", s=9))
    log.tick(9)
    again = restarted(log.fold, saved)
    assert sorted(again.shared.holds) == [(at(63), "r1", "o1"), (at(67), "r1", "o2"), (at(69), "r1", "o0")]
    held = []
    for clock_s in (62.999, 63, 67, 69):
        again.advance(at(clock_s), "tick")
        overlay = again.overlay("r1")
        assert overlay is not None
        held.append(overlay.sales[0].held)
    assert held == [3, 2, 1, 0]


def test_a_restored_partition_remembers_ids_of_both_generations_and_no_older_ones() -> None:
    log, saved = Log(), Saved()
    fold = log.fold
    for generation in range(3):
        log.tick(generation * HALF_REMEMBER_S)
        log.add(like(event_id=f"g{generation}"), like(event_id=f"h{generation}", room="r2"))
        fold = restarted(log.fold, saved)
    assert fold.rooms["r1"].ids.state()[1:] == ({ANY_TOPIC: {"g2"}}, {ANY_TOPIC: {"g1"}})
    assert fold.rooms["r2"].ids.state()[2] == {ANY_TOPIC: {"h1"}}
    assert fold.remembered_ids() == 4


def test_a_restored_partition_counts_its_remembered_ids_against_the_bound() -> None:
    rules = Rules(remember_ids_max=20)
    log, saved = Log(rules), Saved()
    log.tick(0)
    for number in range(9):
        log.add(like(event_id=f"e{number}"))
    again = Log(rules, restarted(log.fold, saved, rules))
    again.add(like(event_id="e9"))
    again.tick(1)
    again.add(like())
    assert again.fold.rooms["r1"].ids.generation == 1


def test_a_restored_partition_does_not_remember_orders_that_were_forgotten() -> None:
    rules = Rules(room_idle_ms=10**12)
    day_s = RULES.remember_orders_ms // 1_000
    log, saved = Log(rules), Saved()
    log.tick(0)
    log.add(order("placed", "old"))
    log.tick(60)  # the hold runs out: the last change
    restarted(log.fold, saved, rules)
    log.tick(65)
    log.add(order("placed", "new", "u2", s=65))
    log.tick(day_s + 62)
    again = restarted(log.fold, saved, rules)
    assert list(log.fold.rooms["r1"].orders) == list(again.rooms["r1"].orders) == ["new"]
    assert again.rooms["r1"].unpaid == log.fold.rooms["r1"].unpaid == {"u2": 1}
