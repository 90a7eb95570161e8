"""When rooms are looked at, what comes back after a crash, and that everything is bounded."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import msgspec
import pytest

from stream.contract.events import EDITION
from stream.contract.history import RoomHistory, decode_head, history_of
from stream.core.histories import HISTORY_KIND
from stream.core.partition import PartitionFold
from stream.core.rules import Rules
from tests.support.events import Log, at, cart, click, comment, enter, like, opened, order, room_closed, room_opened
from tests.support.rooms import T0_MS, TOPICS, random_log, restarted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.rooms import Rec

WEEK_MS = 7 * 86_400_000
RULES = Rules(
    history_step_ms=10_000,
    remember_sales_ms=WEEK_MS,
    remember_orders_ms=WEEK_MS,
    contract_edition=EDITION,
    signals_edition=2,
    ids_by_topic=True,
)
Saved = dict[bytes, bytes | None]


def history(fold: PartitionFold, room_id: str = "r1", session_ms: int | None = None) -> RoomHistory:
    """What a reader is answered when Redis had lost everything."""
    return histories(fold, session_ms)[room_id]


def histories(fold: PartitionFold, session_ms: int | None = None) -> dict[str, RoomHistory]:
    fold.histories_again()
    found = {}
    for each in fold.take_histories():
        head = decode_head(each.head)
        kept = {session.session_ms: session for session in head.sessions}
        session = head.sessions[-1] if session_ms is None else kept[session_ms]
        found[each.room_id] = history_of(head, session, each.closed.get(session.session_ms))
    return found


def seconds(found: RoomHistory) -> list[float]:
    return [(at_ms - at(0)) / 1_000 for at_ms in found.points.at_ms]


# -- points ------------------------------------------------------------------------------------------------------------
def test_a_point_is_made_each_ten_seconds_in_which_something_changed() -> None:
    log = Log(RULES)
    log.tick(0)
    log.add(enter("u1", s=1), enter("u2", s=2), click("u1", s=2), cart("u1", s=2), like(taps=7, s=3), comment(s=3))
    log.add(order("placed", s=3), order("paid", s=4))
    log.tick(25)
    log.add(like(s=26))
    log.tick(60)
    found = history(log.fold)
    assert seconds(found) == [10, 30]
    points = found.points
    assert (points.watching, points.viewers, points.likes, points.comments) == ([2, 2], [2, 2], [7, 8], [1, 1])
    assert (points.orders, points.orders_paid, points.units, points.gmv_minor) == ([1, 1], [1, 1], [1, 1], [100, 100])
    assert (points.clickers, points.payers, points.conversion) == ([1, 1], [1, 1], [1.0, 1.0])
    assert points.orders_next_offset == [2, 2]
    assert (found.currency, found.session_ms, found.from_ms, found.to_ms) == ("CNY", at(0), at(0), at(30))


def test_what_says_nothing_new_makes_no_point() -> None:
    log = Log(RULES)
    log.tick(0)
    log.add(like(s=1, event_id="e1"))
    log.tick(11)
    log.add(like(s=12, event_id="e1"))
    log.tick(60)
    assert seconds(history(log.fold)) == [10]


def in_order(seed: int, events: int = 250) -> list[tuple[int, Rec]]:
    log = random_log(seed, events=events, duration_ms=1_500_000, words=True)
    return sorted(
        ((topic, record) for topic, records in enumerate(log) for record in records),
        key=lambda item: (item[1].timestamp, item[0]),
    )


def fold_all(fold: PartitionFold, records: Sequence[tuple[int, Rec]], steps: int = 1) -> None:
    before_ms = records[0][1].timestamp
    for topic, record in records:
        for step in range(1, steps + 1):
            fold.advance(before_ms + (record.timestamp - before_ms) * step // steps, "log")
        before_ms = record.timestamp
        fold.fold(topic, [record])


@pytest.mark.parametrize("seed", range(4))
def test_points_do_not_depend_on_how_the_clock_moves_or_on_who_looks(seed: int) -> None:
    records = in_order(seed)
    once, often = PartitionFold(3, RULES, TOPICS), PartitionFold(3, RULES, TOPICS)
    fold_all(once, records)
    for start in range(0, len(records), 25):
        fold_all(often, records[start : start + 25], steps=7)
        often.publish(records[start][1].timestamp, 1, everything=True)
        often.take_histories(1)
    for fold in (once, often):
        fold.advance(T0_MS + 2_000_000, "tick")
    assert histories(once) == histories(often)
    assert len(histories(once)) == 3


@pytest.mark.parametrize("seed", range(8))
def test_the_history_after_a_crash_is_that_of_the_worker_that_never_stopped(seed: int) -> None:
    random, records = Random(seed), in_order(seed)
    straight, fold, saved = PartitionFold(3, RULES, TOPICS), PartitionFold(3, RULES, TOPICS), Saved()
    for topic, record in records:
        for each in (straight, fold):
            each.advance(record.timestamp, "log")
            each.fold(topic, [record])
        if random.random() < 0.05:
            straight.cut(1)
            fold = restarted(fold, saved, RULES)
            assert histories(fold) == histories(straight)
    for each in (straight, fold):
        each.advance(T0_MS + 30_000_000, "tick")
    assert histories(fold) == histories(straight)
    assert any(len(found.points.at_ms) > 10 for found in histories(fold).values())


def test_a_checkpoint_writes_only_the_open_chunk() -> None:
    log = Log(RULES)
    log.tick(0)
    for s in range(5, 1_500, 10):
        log.add(like(s=s))
        log.tick(s + 5)
        records = dict(log.fold.cut(1).records)
        chunks = [key for key in records if key.startswith(HISTORY_KIND) and key.count(b"|") == 3]
        assert len(chunks) <= 2  # and once in ten minutes the one that closed
        assert sum(len(records[key] or b"") for key in chunks) < 4_096
    log.tick(1_600)
    assert not [key for key, _ in log.fold.cut(1).records if key.startswith(HISTORY_KIND)]


def test_without_a_step_nothing_is_kept() -> None:
    log = Log(msgspec.structs.replace(RULES, history_step_ms=0))
    log.tick(0)
    log.add(like(s=1), room_opened(s=2))
    log.tick(60)
    assert log.fold.take_histories() == []
    assert not [key for key, _ in log.fold.cut(1).records if key.startswith(HISTORY_KIND)]


# -- sessions ----------------------------------------------------------------------------------------------------------
def show(log: Log, number: int) -> None:
    s = 1_000 * number
    log.tick(s)
    log.add(room_opened(f"show-{number}", s=s), opened(100, f"s{number}", s=s))
    log.add(order("paid", order_id=f"o{number}", sale=f"s{number}", s=s + 3))
    log.tick(s + 104)
    log.add(like(s=s + 104), room_closed(f"show-{number}", s=s + 104))
    log.tick(s + 200)


def test_this_show_and_the_last_one_are_kept_and_the_one_before_goes() -> None:
    log, saved = Log(RULES), Saved()
    log.tick(0)
    for number in (1, 2, 3):
        show(log, number)
        log.fold = restarted(log.fold, saved, RULES)
    found = history(log.fold)
    assert [(each.show_id, each.orders, each.gmv_minor) for each in found.sessions] == [
        ("show-2", 1, 100),
        ("show-3", 1, 100),
    ]
    assert found.ended_ms == at(3_104)
    assert seconds(found)[-1] == 3_104  # as it ended
    assert found.points.units[-1] == 1  # of this session, not of the room
    before = history(log.fold, session_ms=found.sessions[0].session_ms)
    assert (seconds(before)[-1], before.points.gmv_minor[-1]) == (2_104, 100)
    kept = {key.split(b"|")[2] for key in saved if key.startswith(HISTORY_KIND) and key.count(b"|") == 3}
    assert kept == {b"%d" % each.session_ms for each in found.sessions}


def test_what_no_head_names_any_more_is_said_once_so_that_redis_can_forget_it() -> None:
    log = Log(RULES)
    log.tick(0)
    forgotten: list[tuple[int, ...]] = []
    sessions: list[list[int]] = []
    for number in (1, 2, 3, 4):
        show(log, number)
        (written,) = log.fold.take_histories()
        forgotten.append(written.forgotten)
        sessions.append([each.session_ms for each in decode_head(written.head).sessions])
    assert forgotten == [(), (), (sessions[1][0],), (sessions[2][0],)]
    log.fold.histories_again()
    assert [each.forgotten for each in log.fold.take_histories()] == [()]


def test_histories_are_forgotten_after_their_time() -> None:
    log, saved = Log(RULES), Saved()
    log.tick(0)
    show(log, 1)
    log.fold = restarted(log.fold, saved, RULES)
    log.tick(WEEK_MS / 1_000 + 2_000)
    log.fold = restarted(log.fold, saved, RULES)
    assert histories(log.fold) == {}
    assert not [key for key in saved if key.startswith(HISTORY_KIND)]


# -- an older worker ---------------------------------------------------------------------------------------------------
def test_what_an_older_worker_folded_is_a_gap() -> None:
    older = msgspec.structs.replace(RULES, history_step_ms=0)
    log, saved = Log(RULES), Saved()
    log.tick(0)
    log.add(like(s=1))
    log.tick(12)
    log.fold = restarted(log.fold, saved, older)
    log.add(like(s=13))
    log.tick(300)
    log.fold = restarted(log.fold, saved, RULES)
    log.tick(311)
    found = history(log.fold)
    assert [(each.kind, each.at_ms, each.until_ms) for each in found.marks] == [("gap", at(10), at(300))]
    assert (seconds(found), found.points.likes) == ([10, 310], [1, 2])


def test_a_room_that_an_older_worker_did_not_touch_has_no_gap() -> None:
    log, saved = Log(RULES), Saved()
    log.tick(0)
    log.add(like(s=1))
    log.tick(12)
    for rules in (msgspec.structs.replace(RULES, history_step_ms=0), RULES):
        log.fold = restarted(log.fold, saved, rules)
        log.tick(300)
    assert history(log.fold).marks == []


def test_a_session_that_an_older_worker_ended_has_ended_here_too() -> None:
    log, saved = Log(RULES), Saved()
    log.tick(0)
    log.add(room_opened(s=0), like(s=1))
    log.tick(12)
    log.fold = restarted(log.fold, saved, msgspec.structs.replace(RULES, history_step_ms=0))
    log.add(room_closed(s=20))
    log.fold = restarted(log.fold, saved, RULES)
    assert history(log.fold).ended_ms == at(10)


# -- bounds ------------------------------------------------------------------------------------------------------------
def test_beyond_the_bound_on_chunks_the_oldest_goes_and_is_counted() -> None:
    rules = msgspec.structs.replace(RULES, history_chunks=2)
    log, saved = Log(rules), Saved()
    log.tick(0)
    for s in range(100, 3_000, 300):
        log.add(like(s=s))
        log.tick(s + 20)
        log.fold = restarted(log.fold, saved, rules) if s == 700 else log.fold
    found = history(log.fold)
    assert log.fold.histories_dropped() == 3
    assert found.from_ms == at(1_700) // 600_000 * 600_000
    assert min(found.points.at_ms) >= found.from_ms
    restarted(log.fold, saved, rules)
    assert len([key for key in saved if key.startswith(HISTORY_KIND) and key.count(b"|") == 3]) == 2


def test_beyond_the_bound_on_rooms_those_go_that_ended_first() -> None:
    log = Log(msgspec.structs.replace(RULES, rooms_max=3))
    log.tick(0)
    for number in range(5):
        log.add(room_opened(room=f"r{number}", s=number), room_closed(room=f"r{number}", s=number))
        log.tick(number + 1)
    assert set(histories(log.fold)) == {"r2", "r3", "r4"}
    assert log.fold.histories_dropped() == 2
