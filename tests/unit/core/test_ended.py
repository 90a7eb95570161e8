from __future__ import annotations

import msgspec

from stream.contract.overlay import Overlay
from stream.core.counters import Counters
from stream.core.dormant import Rising
from stream.core.ended import LAST_KIND, Ended
from stream.core.rules import Rules
from tests.support.events import Log, at, comment, like

RULES = Rules(remember_sales_ms=7 * 86_400_000)
IDLE_S = RULES.room_idle_ms / 1_000


def ended_log(*rooms: str) -> Log:
    """Rooms whose sessions have ended, not cut yet."""
    log = Log(RULES)
    for room in rooms:
        log.add(comment(room=room))
    log.fold.publish(at(0), 1)
    log.tick(IDLE_S + 1)
    return log


def test_a_last_document_is_published_once_and_saved_once_with_the_same_bytes() -> None:
    log = ended_log("r1")
    (shown,) = log.fold.publish(at(IDLE_S + 1), 4)
    (saved,) = log.fold.cut(4).signals
    assert shown == saved
    assert shown.ttl_ms == RULES.ended_ttl_ms
    overlay = msgspec.json.decode(shown.document, type=Overlay)
    assert msgspec.json.encode(overlay) == shown.document
    assert (overlay.epoch, overlay.rev, overlay.as_of_ms) == (4, 2, at(IDLE_S) + 1)
    assert overlay.stale_after_ms == overlay.as_of_ms + RULES.ended_ttl_ms
    assert log.fold.publish(at(IDLE_S + 2), 4) == []
    assert log.fold.cut(4).signals == []


def test_those_of_the_last_minutes_are_due_again_but_where_another_session_goes_on() -> None:
    log = ended_log("r1", "r2")
    log.fold.publish(at(IDLE_S + 1), 4)
    log.add(like(room="r2", s=IDLE_S + 2))
    log.fold.last_again()
    assert [each.room_id for each in log.fold.publish(at(IDLE_S + 2), 4, limit=1)] == ["r1"]


def test_a_new_owner_writes_them_again_under_its_own_epoch() -> None:
    log = ended_log("r1")
    cut = log.fold.cut(4)
    again = Log(RULES)
    for key, value in cut.records:
        again.fold.load(key, value)
    again.fold.loaded(cut.positions, cut.clock_ms, cut.version)
    (shown,) = again.fold.publish(at(IDLE_S + 2), 5)
    overlay = msgspec.json.decode(shown.document, type=Overlay)
    assert (overlay.epoch, overlay.rev) == (5, shown.rev) == (5, cut.signals[0].rev)
    assert overlay.session is not None
    assert overlay.session.ended_by == "silence"


def test_after_some_minutes_they_are_forgotten() -> None:
    log = ended_log("r1")
    first = dict(log.fold.cut(4).records)
    assert LAST_KIND + b"r1" in first
    log.tick(IDLE_S + 2 + RULES.ended_again_ms / 1_000)
    assert dict(log.fold.cut(4).records)[LAST_KIND + b"r1"] is None
    log.fold.publish(at(9 * IDLE_S), 4)
    log.fold.last_again()
    assert log.fold.publish(at(9 * IDLE_S), 4) == []


def test_without_memories_nothing_is_left_but_what_is_to_be_deleted() -> None:
    rules = Rules()
    ended = Ended(rules, Counters(7), Rising())
    log = Log(rules)
    log.add(comment())
    ended.add(log.fold.rooms["r1"], None)
    assert ended.tombstones() == [(b"r|r1", None)]
    assert ended.tombstones() == []
    assert list(ended.cut(1, [], None)) == []
