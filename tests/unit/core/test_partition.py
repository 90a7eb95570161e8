from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from stream.contract.events import MAX_AHEAD_MS, TOPIC_NAMES
from stream.contract.overlay import Overlay
from stream.core.audiences import ENGAGED, VIEWERS
from stream.core.ids import ANY_TOPIC
from stream.core.partition import PartitionFold
from stream.core.rules import Rules
from stream.core.saved.journal import Piece, Segment, steps_of
from stream.core.time import effective_time_ms
from stream.replay.journaled import JournaledPartition
from tests.support.events import (
    Log,
    at,
    cart,
    comment,
    enter,
    every_kind,
    like,
    opened,
    order,
)
from tests.support.rooms import COMMENTS, LIKES, ORDERS, TOPICS, VISITS, Rec, restarted

if TYPE_CHECKING:
    from stream.core.publishing import Cut, Published

Saved = dict[bytes, bytes | None]  # the compacted topic
RULES = Rules()
IDLE_S = RULES.room_idle_ms // 1_000
HALF_REMEMBER_S = RULES.remember_ids_ms // 2_000


def publish(log: Log, s: float, *, everything: bool = False, limit: int | None = None) -> list[Published]:
    return log.fold.publish(at(s), 1, everything=everything, limit=limit)


def rooms_of(published: list[Published]) -> list[str]:
    return [each.room_id for each in published]


def document_of(published: Published) -> Overlay:
    return msgspec.json.decode(published.document, type=Overlay)


def sums(log: Log) -> tuple[int, int, int, int]:
    """Received, applied, duplicate, dead-lettered."""
    counters = log.fold.counters
    assert counters.received == [
        sum(parts) for parts in zip(counters.applied, counters.duplicate, counters.dead_lettered, strict=True)
    ]
    return sum(counters.received), sum(counters.applied), sum(counters.duplicate), sum(counters.dead_lettered)


# -- fold --------------------------------------------------------------------------------------------------------------
def test_positions_are_behind_the_last_record_folded_whatever_became_of_it() -> None:
    fold = PartitionFold(0, RULES, TOPICS)
    fold.fold(LIKES, [])
    assert fold.positions == [0] * len(TOPICS)
    fold.fold(LIKES, [Rec(b"broken", b"r1", 41, at(0))])
    fold.fold(ORDERS, [Rec(b"broken", b"r1", 7, at(0)), Rec(b"broken", b"r1", 9, at(0))])
    assert fold.positions == [0, 42, 0, 10, 0, 0, 0]


def test_every_record_is_applied_a_duplicate_or_a_dead_letter_by_topic() -> None:
    log = Log()
    log.add(like(event_id="e1"), like(event_id="e1"), comment(), order("paid"), order("paid"))
    log.fold.fold(LIKES, [Rec(b"{", b"r1", 2, at(0))])
    counters = log.fold.counters
    assert counters.received == [1, 3, 0, 2, 0, 0, 0]
    assert counters.applied == [1, 1, 0, 1, 0, 0, 0]
    assert counters.duplicate == [0, 1, 0, 1, 0, 0, 0]
    assert counters.dead_lettered == [0, 1, 0, 0, 0, 0, 0]
    assert counters.dead_letters == {"not_json": 1}
    assert sums(log) == (6, 3, 2, 1)


def test_a_poisoned_record_leaves_its_neighbours_untouched_and_waits_whole() -> None:
    with_poison, without = Log(), Log()
    good = [like("a", 3), like("b", 4), like("a", 5, room="r2")]
    pieces = [with_poison.record(event)[1] for event in good]
    poison = Rec(b'{"type":"like"', b"r1", 1, at(0), (("k", b"v"),))
    with_poison.fold.fold(LIKES, [pieces[0], poison, *pieces[1:]])
    without.fold.fold(LIKES, pieces)
    (refused,) = with_poison.fold.refused
    assert (refused.topic_index, refused.offset, refused.record) == (LIKES, 1, poison)
    assert refused.letter.reason == "not_json"
    for log in (with_poison, without):
        log.tick(1)
    for room in ("r1", "r2"):
        assert with_poison.overlay(room) == without.overlay(room)


def test_a_poisoned_record_alone_makes_no_room() -> None:
    log = Log()
    log.fold.fold(LIKES, [Rec(b"{}", b"r1", 0, at(0))])
    assert log.fold.rooms == {}


@pytest.mark.parametrize("event_s", [-90, -60.001, -60, -59.999, -0.001, 0, 0.001, 59])
@pytest.mark.parametrize("append_ms", [at(0), -1])
def test_an_event_counts_at_its_effective_time_and_is_retimed_if_that_is_not_its_own(
    event_s: float, append_ms: int
) -> None:
    log = Log()
    _, record = log.record(order("paid", s=event_s))
    log.fold.fold(ORDERS, [record._replace(timestamp=append_ms)])
    expected = effective_time_ms(at(event_s), append_ms, RULES.allowed_lateness_ms)
    room = log.fold.rooms["r1"]
    assert [item.at_ms for item in room.feed] == [expected]
    assert log.fold.counters.retimed == (expected != at(event_s))
    assert room.last_append_ms == append_ms


def test_a_room_knows_its_newest_record_and_the_first_of_each_topic() -> None:
    log = Log()
    log.add(like(room="r2"), like(), like(), like(), comment(), append_s=5)
    log.add(like(), append_s=3)
    room = log.fold.rooms["r1"]
    assert room.first_offsets == [0, 1, -1, -1, -1, -1, -1]
    assert room.last_append_ms == at(5)


def test_ids_of_different_rooms_never_meet() -> None:
    log = Log()
    log.add(like("a", 1, event_id="e"), like("a", 2, room="r2", event_id="e"))
    log.add(order("paid", amount=5), order("paid", amount=7, room="r2"))
    log.tick(1)
    assert (log.overlay("r1").totals.likes, log.overlay("r2").totals.likes) == (1, 2)
    assert [log.overlay(room).totals.orders.paid for room in ("r1", "r2")] == [1, 1]
    assert sums(log) == (4, 4, 0, 0)


def test_the_first_record_says_what_time_it_is_until_the_clock_is_known() -> None:
    log = Log()
    assert log.fold.clock_ms == -1
    log.add(order("placed", s=4), append_s=5)
    assert log.fold.clock_ms == at(5)
    assert log.fold.rooms["r1"].born_ms == at(5)
    log.add(like(s=9))
    assert log.fold.clock_ms == at(5)
    log.fold.cut(1)
    assert list(log.fold.rooms["r1"].orders) == ["o1"]


# -- time --------------------------------------------------------------------------------------------------------------
def test_the_clock_never_goes_back_and_its_source_is_the_latest() -> None:
    log = Log()
    log.fold.advance(at(10), "tick")
    log.fold.advance(at(5), "log")
    assert log.fold.clock_ms == at(10)
    assert log.fold.clock_source == "log"


def test_a_hold_runs_out_with_the_clock_at_its_moment_and_not_before() -> None:
    log = Log()
    log.add(opened(10), order("placed", units=3))
    log.tick(59.999)
    assert log.overlay().sales[0].held == 3
    log.tick(60)
    assert (log.overlay().sales[0].held, log.overlay().sales[0].released) == (0, 3)
    assert log.fold.counters.holds_expired == 1
    assert log.fold.shared.holds == []


def test_a_hold_that_is_already_over_when_it_is_folded_runs_out_at_once() -> None:
    log = Log()
    log.tick(100)
    log.add(opened(10), order("placed", s=40), append_s=100)
    assert log.overlay().sales[0].held == 0
    log.add(order("placed", "o2", s=40.001), append_s=100)
    assert log.overlay().sales[0].held == 1


def test_a_hold_runs_from_the_order_s_placing_not_from_its_first_record() -> None:
    log = Log()
    log.add(opened(10), order("cancelled", "o1", s=0), order("placed", "o2", s=30), order("placed", "o1", s=50))
    log.tick(89.999)
    assert log.overlay().sales[0].held == 1
    log.tick(90)
    assert log.overlay().sales[0].held == 0
    assert log.fold.counters.holds_expired == 1


def test_only_a_placed_order_of_a_sale_waits_for_its_hold_to_run_out() -> None:
    log = Log()
    log.add(order("placed", "o1", sale=None), order("paid", "o2"), order("cancelled", "o3"))
    assert log.fold.shared.holds == []
    log.add(order("placed", "o4", s=1), order("placed", "o4", s=2), order("paid", "o4", s=3))
    assert log.fold.shared.holds == [(at(61), "r1", "o4")]
    log.tick(100)
    assert log.fold.counters.holds_expired == 0


def test_a_hold_that_runs_out_is_published_and_saved() -> None:
    log = Log()
    log.add(opened(10), order("placed"))
    log.tick(1)
    publish(log, 1)
    log.fold.cut(1)
    log.tick(60)
    assert rooms_of(publish(log, 60)) == ["r1"]
    cut = log.fold.cut(1)
    assert [key for key, value in cut.records if key.startswith(b"r|")] == [b"r|r1"]
    assert rooms_of(cut.signals) == ["r1"]


# -- duplicates --------------------------------------------------------------------------------------------------------
def duplicates_after(log: Log, event_id: str) -> bool:
    before = sums(log)[2]
    log.add(like(event_id=event_id))
    return sums(log)[2] > before


def test_an_id_is_remembered_for_at_least_half_the_time_and_at_most_all_of_it() -> None:
    for age_s, remembered in ((HALF_REMEMBER_S, True), (2 * HALF_REMEMBER_S - 1, True), (2 * HALF_REMEMBER_S, False)):
        log = Log()
        log.tick(0)
        log.add(like(event_id="e1"))
        log.tick(HALF_REMEMBER_S if age_s >= HALF_REMEMBER_S else 0)
        log.add(comment())
        log.tick(age_s)
        assert duplicates_after(log, "e1") == remembered, age_s


def test_a_generation_ends_after_half_the_time_and_not_before() -> None:
    log = Log()
    log.tick(0)
    log.add(like(event_id="e1"))
    log.tick(HALF_REMEMBER_S - 0.001)
    log.add(like())
    assert log.fold.rooms["r1"].ids.generation == 0
    log.tick(HALF_REMEMBER_S)
    log.add(like())
    assert log.fold.rooms["r1"].ids.generation == 1
    log.tick(2 * HALF_REMEMBER_S - 0.001)
    log.add(like())
    assert log.fold.rooms["r1"].ids.generation == 1


def test_beyond_the_bound_ids_are_forgotten_by_number_and_counted() -> None:
    log = Log(Rules(remember_ids_max=20))
    log.tick(0)
    for number in range(9):
        log.add(like(event_id=f"a{number}"))
    log.tick(1)
    log.add(like(event_id="a9"))
    assert log.fold.rooms["r1"].ids.generation == 0
    log.tick(2)
    for number in range(10):
        log.add(like(event_id=f"b{number}"))
    assert log.fold.remembered_ids() == 20
    assert duplicates_after(log, "a0")
    log.tick(3)
    assert not duplicates_after(log, "a0")
    assert log.fold.counters.ids_forgotten == 10
    assert log.fold.remembered_ids() == 11
    assert duplicates_after(log, "b9")


def test_ids_of_all_rooms_of_a_partition_count_against_the_bound() -> None:
    log = Log(Rules(remember_ids_max=20))
    log.tick(0)
    for number in range(60):
        log.add(like(event_id=f"e{number}", room=f"r{number % 6}"))
        log.tick(number + 1)
    # Two generations of ten, and one piece that may go over.
    assert log.fold.remembered_ids() <= 22
    assert log.fold.counters.ids_forgotten == 60 - log.fold.remembered_ids()


# -- sums over rooms ---------------------------------------------------------------------------------------------------
def test_more_sold_than_offered_is_summed_over_all_rooms() -> None:
    log = Log()
    assert log.fold.oversold_units() == 0
    log.add(opened(2), order("paid", units=5), opened(9, sku="k2"), order("placed", room="r2", units=40))
    log.add(opened(1, room="r3"), order("placed", room="r3", units=3, s=0))
    assert log.fold.oversold_units() == 5


class _EncodesEarly(PartitionFold):
    early_records = 10


def test_what_a_cut_has_to_encode_does_not_grow_with_what_was_folded_before_it() -> None:
    log = Log(fold=_EncodesEarly(3, RULES, TOPICS))
    log.add(*(like(f"u{number}") for number in range(25)))
    room = log.fold.rooms["r1"]
    assert len(room.ids.new[ANY_TOPIC]) == len(room.audiences[ENGAGED].changed) == 5
    again = restarted(log.fold, {}).rooms["r1"]
    assert len(again.ids) == 25
    assert again.audiences[ENGAGED].last == room.audiences[ENGAGED].last
    assert len(again.audiences[ENGAGED].last) == 25


# -- rooms begin and end -----------------------------------------------------------------------------------------------
def test_a_room_that_was_silent_for_long_ends_and_all_its_keys_go() -> None:
    log = Log()
    log.add(enter(), cart(), order("paid"), opened())
    log.tick(0)
    written = {key for key, _ in log.fold.cut(1).records if key[:2] in (b"r|", b"b|")}
    log.tick(IDLE_S)
    publish(log, IDLE_S)
    assert list(log.fold.rooms) == ["r1"]
    log.fold.cut(1)
    log.tick(IDLE_S + 0.001)
    assert publish(log, IDLE_S + 9) == []
    assert log.fold.rooms == {}
    assert log.fold.counters.rooms_ended == 1
    cut = log.fold.cut(1)
    assert {key for key, value in cut.records if value is None} == written
    assert [key for key, value in cut.records if value is not None] == []
    assert cut.signals == []


def test_a_room_that_ended_begins_anew_with_the_next_event() -> None:
    log = Log()
    log.add(enter("a"), like(event_id="e1"))
    log.tick(0)
    log.fold.cut(1)
    log.tick(IDLE_S + 1)
    publish(log, IDLE_S + 1)
    log.add(like("b", 7, s=IDLE_S + 1, event_id="e1"))
    totals = log.overlay().totals
    assert (totals.views, totals.likes, totals.watching_now) == (0, 7, 0)
    assert log.fold.rooms["r1"].born_ms == at(IDLE_S + 1)
    keys = [key for key, _ in log.fold.cut(1).records if key == b"r|r1"]
    assert keys == [b"r|r1"] * 2  # the old one's end, the new one's head


@pytest.mark.parametrize(("silent_s", "likes"), [(IDLE_S, 8), (IDLE_S + 0.001, 7)])
def test_a_session_ends_by_its_silence_even_if_nothing_was_published_meanwhile(silent_s: float, likes: int) -> None:
    log = Log()
    log.add(like("a", 1))
    log.tick(0)
    log.tick(silent_s)
    log.add(like("a", 7, s=silent_s))
    assert log.overlay().totals.likes == likes
    assert log.fold.counters.rooms_ended == (likes == 7)


def test_a_restored_room_does_not_inherit_from_the_session_before() -> None:
    log, saved = Log(), Saved()
    log.add(enter("a"), order("placed", "old"), like(event_id="e1"))
    log.tick(0)
    restarted(log.fold, saved)
    log.tick(IDLE_S + 1)
    log.add(enter("b", s=IDLE_S + 1))
    again = restarted(log.fold, saved)
    room = again.rooms["r1"]
    assert (room.views, list(room.orders), room.ids.state()) == (1, [], log.fold.rooms["r1"].ids.state())
    assert list(room.audiences[VIEWERS].last) == ["b"]
    assert list(room.presence.sessions) == ["b"]


def test_beyond_the_bound_the_room_that_was_silent_longest_makes_room() -> None:
    log = Log(Rules(rooms_max=3))
    for number in range(3):
        log.tick(number)
        log.add(like(room=f"r{number}"))
    log.tick(5)
    log.add(like(room="r0"))
    log.add(like(room="r9"))
    assert set(log.fold.rooms) == {"r0", "r2", "r9"}
    assert log.fold.counters.rooms_evicted == 1
    assert log.fold.counters.rooms_ended == 0
    assert (b"r|r1", None) in log.fold.cut(1).records


def test_a_hundredth_of_the_rooms_goes_at_once() -> None:
    log = Log(Rules(rooms_max=300))
    for number in range(301):
        log.tick(number)
        log.add(like(room=f"r{number}"))
    assert len(log.fold.rooms) == 298
    assert {f"r{number}" for number in range(3)} & set(log.fold.rooms) == set()
    assert log.fold.counters.rooms_evicted == 3


def test_no_room_of_a_piece_makes_room_for_another_one_of_it() -> None:
    log = Log(Rules(rooms_max=2))
    log.tick(0)
    log.add_slice(like(room="a"), like(room="b"), like(room="c"), like("u", 5, room="a"))
    assert set(log.fold.rooms) == {"a", "b", "c"}
    assert log.fold.rooms["a"].likes == 6
    log.add(like(room="d"))
    assert set(log.fold.rooms) == {"c", "d"}
    final = dict(log.fold.cut(1).records)
    assert final[b"r|b"] is None
    assert final[b"r|c"] is not None


def test_many_sessions_end_in_pieces_between_which_others_have_their_turn_and_it_is_the_same() -> None:
    rules = Rules(remember_sales_ms=IDLE_S * 2_000)
    at_once, in_pieces = Log(rules), Log(rules)
    for log in (at_once, in_pieces):
        for number in range(20):
            log.tick(number // 2)
            log.add(like(room=f"r{number}", event_id=f"e{number}"))
    assert at_once.fold.advance(at(IDLE_S + 60), "tick")
    stops = []
    while not in_pieces.fold.advance(at(IDLE_S + 60), "tick", 3):
        stops.append((in_pieces.fold.unsaved_ends(), in_pieces.fold.clock_ms))
    # All of a moment at which two end, and never the next one.
    assert stops == [(2 * ended, at(IDLE_S + ended - 1) + 1) for ended in (2, 4, 6, 8)]
    assert in_pieces.fold.clock_ms == at(IDLE_S + 60)
    assert at_once.fold.rooms == in_pieces.fold.rooms == {}
    one, other = at_once.fold.cut(1), in_pieces.fold.cut(1)
    assert len(one.signals) == 20
    assert one == other
    assert in_pieces.fold.unsaved_ends() == 0


# -- checkpoint --------------------------------------------------------------------------------------------------------
def kinds(cut: Cut) -> set[bytes]:
    return {key[:2] for key, _ in cut.records}


def test_a_cut_takes_records_positions_clock_and_refusals_of_one_moment() -> None:
    log = Log()
    every_kind(log)
    log.fold.fold(LIKES, [Rec(b"{", b"r1", 1, at(0))])
    log.tick(7)
    refused = list(log.fold.refused)
    cut = log.fold.cut(5)
    assert kinds(cut) == {b"r|", b"b|", b"d|", b"g|", b"i|", b"o|", b"p|"}
    assert cut.positions == tuple(log.fold.positions) == (1, 2, 1, 1, 3, 4, 1)
    assert cut.clock_ms == at(7)
    assert cut.refused == refused
    assert len(cut.refused) == 1
    assert log.fold.refused == []
    (signal,) = cut.signals
    document = document_of(signal)
    assert (document.epoch, document.as_of_ms, document.clock.lag_ms, document.rev) == (5, at(7), 0, 1)


def test_a_cut_holds_what_changed_since_the_last_one_only() -> None:
    log = Log()
    every_kind(log)
    log.add(like(room="r2"))
    log.tick(1)
    log.fold.cut(1)
    empty = log.fold.cut(1)
    assert (empty.records, empty.refused, empty.signals) == ([], [], [])
    log.add(like("u9", s=1))
    cut = log.fold.cut(1)
    assert {key for key, _ in cut.records} == {b"g|", b"r|r1", b"b|r1|a4|0", b"d|0", b"i|0"}
    assert rooms_of(cut.signals) == ["r1"]


def test_urgency_that_moved_in_a_silent_room_is_saved_with_it() -> None:
    log, saved = Log(), Saved()
    log.add(opened(1_000), order("paid", units=40))
    log.tick(0)
    publish(log, 0)
    restarted(log.fold, saved)
    for s in range(1, 30):
        log.tick(s)
        publish(log, s)
        if s % 5 == 0:
            restarted(log.fold, saved)
    straight, again = log.fold.overlay("r1"), restarted(log.fold, saved).overlay("r1")
    assert straight is not None
    assert again is not None
    assert straight.urgency.level == "calm"
    assert straight.urgency == again.urgency


def test_a_silent_room_whose_urgency_stays_is_not_saved_again() -> None:
    log = Log()
    log.add(opened(1_000))
    log.tick(0)
    log.tick(1)  # the level begins
    publish(log, 1)
    log.fold.cut(1)
    log.tick(2)
    assert rooms_of(publish(log, 2)) == ["r1"]
    assert log.fold.cut(1).records == []


def test_a_restored_partition_publishes_all_its_rooms_at_once() -> None:
    log, saved = Log(), Saved()
    log.add(like(), like(room="r2"))
    log.tick(0)
    publish(log, 0)
    again = restarted(log.fold, saved)
    published = again.publish(at(0), 2)
    assert [(each.room_id, each.rev) for each in published] == [("r1", 3), ("r2", 3)]  # one at the cut


def test_ids_of_claims_are_not_used_again_after_a_restart() -> None:
    log, saved = Log(), Saved()
    log.add(*(enter(f"u{number}") for number in range(10)))
    log.tick(0)
    again = restarted(log.fold, saved)
    before = [
        claim.id for s in range(3) for each in publish(log, s, everything=True) for claim in document_of(each).claims
    ]
    after = [claim.id for each in again.publish(at(1), 2) for claim in document_of(each).claims]
    assert before
    assert after
    assert set(before) & set(after) == set()


def test_change_logs_are_forgotten_when_nothing_in_them_can_count_any_more() -> None:
    """A room that goes on for two days: what is kept of windows, ids, orders and sessions stops growing."""
    log, saved, sizes = Log(), Saved(), []
    text = "u" * 50
    for hour in range(56):
        s = hour * 3_600
        log.tick(s)
        for number in range(15):
            user = f"{text}{number:02}"
            log.add(
                enter(user, f"{text}{hour:02}{number:02}", s=s),
                order("paid", f"{text}{hour:02}{number:02}", user, s=s),
                like(user, s=s, event_id=f"{text}{hour:02}{number:02}"),
            )
        saved |= dict(log.fold.cut(1).records)
        sizes.append(
            {kind: sum(len(value or b"") for key, value in saved.items() if key[:2] == kind) for kind in KINDS}
        )
    for kind in KINDS:
        assert sizes[-1][kind] <= 1.2 * sizes[28][kind] + 10_000, kind
        assert sum(each[kind] for each in sizes) > 50_000, kind


KINDS = (b"d|", b"i|", b"o|", b"p|")


def test_names_of_topics_are_those_of_the_contract_in_its_order() -> None:
    assert tuple(name.removeprefix("live.") for name in TOPICS) == TOPIC_NAMES
    assert (COMMENTS, VISITS) == (0, 4)


# -- one producer's clock ----------------------------------------------------------------------------------------------
def test_records_too_far_ahead_of_the_wall_clock_are_refused_and_move_nothing() -> None:
    log = Log()
    log.add(opened(ends_s=600), order("placed"))
    records = [log.record(like(s=s))[1] for s in (1, 1_800, 61, 62)]
    log.fold.fold(LIKES, records, at(1) + MAX_AHEAD_MS)
    assert [(each.offset, each.letter.reason.value) for each in log.fold.refused] == [
        (1, "ahead_of_clock"),
        (3, "ahead_of_clock"),
    ]
    assert "1799000 ms ahead of the clock, the most is 60000" in log.fold.refused[0].letter.detail
    assert (log.fold.clock_ms, log.fold.rooms["r1"].likes) == (at(0), 2)


def test_a_partition_is_not_born_by_a_fast_clock() -> None:
    log = Log()
    log.fold.fold(LIKES, [log.record(like(s=1_800))[1]], at(0) + MAX_AHEAD_MS)
    assert (log.fold.clock_ms, log.fold.rooms) == (at(0), {})


def test_a_replay_refuses_what_was_refused_by_the_wall_clock_of_then() -> None:
    log = Log()
    log.add(like(s=0))
    log.tick(1)
    records = [log.record(like(s=s))[1] for s in (1, 1_800, 2)]
    log.fold.fold(LIKES, records, at(1) + MAX_AHEAD_MS)
    log.add(like(s=3))
    cut = log.fold.cut(1)
    assert cut.steps is not None
    pieces = [step for step in steps_of(cut.steps.notes, [0] * len(TOPICS), -1) if isinstance(step, Piece)]
    assert [piece.latest_ms for piece in pieces] == [None, at(1) + MAX_AHEAD_MS, None]
    segment = Segment(1, 1, claim=False, steps=cut.steps)
    follower = JournaledPartition(3, TOPICS, segment, keep_state=False)
    for piece in follower.pieces(segment):
        follower.take(piece, log.records[piece.topic_index][piece.first : piece.end])
    assert [each.document for each in follower.cut(segment)] == [each.document for each in cut.signals]
    assert follower.fold.counters.dead_letters == {"ahead_of_clock": 1}
