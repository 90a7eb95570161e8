from __future__ import annotations

import msgspec
import pytest

from stream.contract.overlay import Overlay, Session
from stream.core.growth import VERSION_1, VERSION_2
from stream.core.rules import Rules
from tests.support.events import Log, at, closed, comment, like, opened, order
from tests.support.rooms import restarted

WEEK_MS = 7 * 86_400_000
RULES = Rules(remember_sales_ms=WEEK_MS, remember_orders_ms=WEEK_MS)
IDLE_S = RULES.room_idle_ms / 1_000
Saved = dict[bytes, bytes | None]


def session_of(log: Log, room: str = "r1") -> Session | None:
    return log.overlay(room).session


def test_a_room_begins_above_every_revision_of_its_partition() -> None:
    log = Log(RULES)
    log.add(comment(room="r1"), comment(room="r2"))
    for s in range(1, 50):
        log.tick(s)
        log.add(comment(room="r1", s=s))
        log.fold.publish(at(s), 1)
    revision = log.fold.rooms["r1"].rev
    log.tick(2 * IDLE_S)
    for room in ("r1", "r2", "r3"):
        log.add(comment(room=room, s=2 * IDLE_S))
        assert log.fold.rooms[room].rev > revision


def test_it_is_nothing_until_a_session_has_ended() -> None:
    log = Log(RULES)
    log.add(comment())
    assert log.fold.rooms["r1"].rev == 0
    assert log.fold.cut(1).version == VERSION_1
    log.tick(IDLE_S + 1)
    assert log.fold.cut(1).version == VERSION_2


@pytest.mark.parametrize("restart", [False, True])
def test_two_sessions_of_one_moment_are_told_apart(restart: bool) -> None:  # noqa: FBT001 — one of two
    log = Log(Rules(remember_sales_ms=WEEK_MS, rooms_max=1))
    log.add(like("u1", room="r1"), like("u2", room="r2"), like("u3", room="r1"))
    if restart:
        log.fold = restarted(log.fold, {}, log.fold.rules)
    assert log.overlay("r1").totals.viewers.value == 0
    assert log.overlay("r1").totals.likes == 1
    assert log.fold.rooms["r1"].born_ms > at(0)


def test_beyond_the_bound_the_dormant_are_forgotten_first() -> None:
    log = Log(Rules(remember_sales_ms=WEEK_MS, rooms_max=3))
    log.add(opened(room="r1", ends_s=None), comment(room="r2"))
    log.tick(IDLE_S + 1)
    log.add(comment(room="r3", s=IDLE_S + 1))
    assert (list(log.fold.rooms), log.fold.dormant_rooms()) == (["r3"], 2)
    log.add(comment(room="r4", s=IDLE_S + 1))
    assert (list(log.fold.rooms), log.fold.dormant_rooms()) == (["r3", "r4"], 1)
    assert log.fold.counters.rooms_displaced == 1
    assert log.fold.counters.rooms_evicted == 0
    log.add(comment(room="r5", s=IDLE_S + 1))
    log.tick(IDLE_S + 2)
    log.add(comment(room="r6", s=IDLE_S + 2))
    assert (sorted(log.fold.rooms), log.fold.dormant_rooms()) == (["r4", "r5", "r6"], 0)
    assert log.fold.counters.rooms_evicted == 1
    last = msgspec.json.decode(log.fold.cut(1).signals[-4].document, type=Overlay)
    assert last.room_id == "r3"
    assert last.session is not None
    assert last.session.ended_by == "bound"


def test_where_rooms_were_forgotten_a_new_one_may_have_been_here_before() -> None:
    log = Log(RULES)
    log.add(comment(room="r1"))
    assert session_of(log) is None
    log.tick(IDLE_S + WEEK_MS / 1_000 + 3_602)
    log.fold.cut(1)
    assert log.fold.dormant_rooms() == 0
    log.add(comment(room="r2", s=IDLE_S + WEEK_MS / 1_000 + 3_602))
    session = session_of(log, "r2")
    assert session is not None
    assert session.first_offsets == [1, 0, 0, 0, 0, 0, 0]


def test_a_sale_that_is_over_is_shown_again_when_something_is_heard_of_it() -> None:
    log = Log(RULES)
    log.add(opened(ends_s=60), order("paid"))
    evening_s = 2 * IDLE_S
    log.tick(evening_s)
    log.add(comment(s=evening_s))
    assert log.overlay().sales == []
    saved: Saved = {}
    log.fold = restarted(log.fold, saved, RULES)
    assert log.overlay().sales == []
    log.add(order("refunded", s=evening_s))
    (sale,) = log.overlay().sales
    assert (sale.status, sale.sold, sale.available) == ("ended", 0, 100)


def test_a_late_close_is_heard_of_too() -> None:
    log = Log(RULES)
    log.add(opened(ends_s=60), order("paid"))
    log.tick(2 * IDLE_S)
    log.add(closed(s=2 * IDLE_S))
    (sale,) = log.overlay().sales
    assert sale.status == "ended"
