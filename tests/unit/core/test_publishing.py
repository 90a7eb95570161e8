from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from stream.contract.overlay import Overlay
from stream.core.rules import Rules
from tests.support.events import (
    Log,
    at,
    enter,
    like,
    opened,
    order,
)

if TYPE_CHECKING:
    from stream.core.publishing import Published

RULES = Rules()


def publish(log: Log, s: float, *, everything: bool = False, limit: int | None = None) -> list[Published]:
    return log.fold.publish(at(s), 1, everything=everything, limit=limit)


def rooms_of(published: list[Published]) -> list[str]:
    return [each.room_id for each in published]


def document_of(published: Published) -> Overlay:
    return msgspec.json.decode(published.document, type=Overlay)


def test_a_new_room_is_published_at_once() -> None:
    log = Log()
    log.add(like())
    log.tick(0)
    assert rooms_of(publish(log, 0)) == ["r1"]
    assert publish(log, 0) == []


def quiet_room_published_at(s: float) -> Log:
    log = Log()
    log.add(like())
    log.tick(s)
    assert rooms_of(publish(log, s)) == ["r1"]
    return log


def first_due(log: Log, from_s: float, until_s: float) -> float:
    """When the room is published next, in steps of 10 ms of the wall clock."""
    for step in range(round((until_s - from_s) * 100) + 1):
        if publish(log, from_s + step / 100):
            return step / 100
    raise AssertionError("nothing was published")


def test_a_quiet_room_that_changes_is_published_at_its_slower_pace() -> None:
    log = quiet_room_published_at(0)
    log.add(like())
    assert first_due(log, 0, 5) == 0.7


def test_a_room_with_a_sale_that_changes_is_published_after_a_tenth_of_a_second() -> None:
    log = quiet_room_published_at(0)
    log.add(opened())
    assert first_due(log, 0, 5) == 0.1


@pytest.mark.parametrize(("records", "pace_s"), [(RULES.busy_records - 1, 0.7), (RULES.busy_records, 0.1)])
def test_a_room_with_traffic_is_published_after_a_tenth_of_a_second(records: int, pace_s: float) -> None:
    log = quiet_room_published_at(0)
    for _ in range(records):
        log.add(like())
    assert first_due(log, 0, 5) == pace_s


def test_traffic_counts_within_a_piece_and_anew_after_each_document() -> None:
    log = quiet_room_published_at(0)
    log.add_slice(*(like() for _ in range(RULES.busy_records)))
    assert first_due(log, 0, 5) == 0.1
    log.add(like())
    assert first_due(log, 0.1, 5) == 0.7


def test_a_room_that_changes_often_is_due_once() -> None:
    log = quiet_room_published_at(0)
    for _ in range(100):
        log.add(like())
    # The refresh, the quiet pace, the busy pace.
    assert sorted(due_ms for due_ms, _ in log.fold._publishing._due) == [at(0.1), at(0.7), at(2)]


def test_a_silent_room_is_published_again_to_move() -> None:
    log = quiet_room_published_at(0)
    assert first_due(log, 0, 9) == RULES.refresh_quiet_ms / 1_000
    log.add(opened())
    log.tick(2.1)
    publish(log, 2.1)
    assert first_due(log, 2.1, 9) == RULES.refresh_active_ms / 1_000


@pytest.mark.parametrize(("silent_s", "refresh_ms"), [(60, RULES.refresh_quiet_ms), (60.001, RULES.refresh_idle_ms)])
def test_a_room_that_is_idle_moves_more_slowly(silent_s: float, refresh_ms: int) -> None:
    log = quiet_room_published_at(0)
    log.tick(silent_s)
    publish(log, silent_s)
    assert first_due(log, silent_s, silent_s + 9) == refresh_ms / 1_000


def test_a_document_is_good_for_three_refreshes_and_its_key_for_some_seconds_more() -> None:
    log = Log()
    log.add(like(), opened(room="r2"))
    log.tick(5)
    for published in publish(log, 6):
        refresh_ms = {"r1": 2_000, "r2": 1_000}[published.room_id]
        document = document_of(published)
        assert document.stale_after_ms == at(5) + 3 * refresh_ms
        assert published.ttl_ms == 3 * refresh_ms + RULES.ttl_beyond_stale_ms


def test_documents_follow_the_contract_and_revisions_only_rise() -> None:
    log = Log()
    revisions = []
    for s in range(30):
        log.add(enter(f"u{s}", s=s), opened(room="r2", s=s), order("paid", f"o{s}", room="r2", s=s))
        log.tick(s)
        for published in publish(log, s):
            document = document_of(published)
            assert (document.room_id, document.rev, document.epoch) == (published.room_id, published.rev, 1)
            assert (document.as_of_ms, document.clock.source, document.clock.lag_ms) == (at(s), "tick", 0)
            if published.room_id == "r2":
                revisions.append(published.rev)
    assert revisions == list(range(1, 31))
    assert log.fold.counters.snapshots == 60


def test_a_look_at_a_room_uses_up_no_revision() -> None:
    log = quiet_room_published_at(0)
    assert [log.overlay().rev, log.overlay().rev] == [1, 1]
    assert log.fold.overlay("nowhere") is None


def test_a_document_carries_the_append_time_of_its_newest_record() -> None:
    log = Log()
    log.add(like(), append_s=3)
    log.tick(9)
    assert publish(log, 9)[0].append_ms == at(3)


def test_the_lag_is_what_the_wall_clock_is_ahead_and_none_without_one() -> None:
    log = Log()
    log.add(like())
    log.tick(5)
    (published,) = publish(log, 7.5)
    assert document_of(published).clock.lag_ms == 2_500
    (replayed,) = log.fold.publish(None, 1, everything=True)
    assert document_of(replayed).clock.lag_ms == 0


def test_without_a_wall_clock_the_partition_s_own_sets_the_pace() -> None:
    log = Log()
    log.add(like())
    log.tick(0)
    assert len(log.fold.publish(None, 1)) == 1
    log.add(like())
    log.tick(0.699)
    assert log.fold.publish(None, 1) == []
    log.tick(0.7)
    assert len(log.fold.publish(None, 1)) == 1


def test_a_limit_leaves_the_rest_due() -> None:
    log = Log()
    log.add(*(like(room=f"r{number}") for number in range(5)))
    log.tick(0)
    assert rooms_of(publish(log, 0, limit=2)) == ["r0", "r1"]
    assert rooms_of(publish(log, 0, limit=2)) == ["r2", "r3"]
    assert rooms_of(publish(log, 0, limit=2)) == ["r4"]
    assert publish(log, 0, limit=2) == []


def test_everything_is_everything_once() -> None:
    log = Log()
    log.add(*(like(room=f"r{number}") for number in range(3)))
    log.tick(0)
    publish(log, 0)
    assert publish(log, 0.01) == []
    assert rooms_of(publish(log, 0.01, everything=True)) == ["r0", "r1", "r2"]
    assert publish(log, 0.01) == []
    assert rooms_of(publish(log, 0.02, everything=True, limit=1)) == ["r0"]
    assert rooms_of(publish(log, 0.02)) == ["r1", "r2"]


def test_what_is_withheld_is_counted_by_claim_and_reason() -> None:
    log = Log()
    log.add(opened())
    log.tick(0)
    publish(log, 0)
    publish(log, 1)
    assert log.fold.counters.withheld["watching_now", "sample_too_small"] == 2
    assert log.fold.counters.withheld["stock_left", "above_display_threshold"] == 2


def test_a_busy_room_in_a_backlog_waits_as_a_quiet_one_does() -> None:
    log = Log()
    log.add(opened(), like())
    log.tick(0)
    behind_ms = log.fold.rules.stale_lag_ms + 1
    assert rooms_of(log.fold.publish(at(0) + behind_ms, 1)) == ["r1"]
    log.add(like())
    assert rooms_of(log.fold.publish(at(0) + behind_ms + log.fold.rules.pace_busy_ms, 1)) == []
    assert rooms_of(log.fold.publish(at(0) + behind_ms + log.fold.rules.pace_quiet_ms, 1)) == ["r1"]
