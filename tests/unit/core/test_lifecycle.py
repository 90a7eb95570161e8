from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from msgspec import structs

from stream.contract.events import EDITION
from stream.contract.overlay import Overlay, Session
from stream.core.rules import Rules
from stream.core.saved.growth import VERSION_1, VERSION_2
from tests.support.events import (
    Log,
    at,
    closed,
    comment,
    enter,
    leave,
    like,
    opened,
    order,
    room_closed,
    room_opened,
)
from tests.support.rooms import restarted

if TYPE_CHECKING:
    from stream.contract.events import RoomEvent

WEEK_MS = 7 * 86_400_000
RULES = Rules(remember_sales_ms=WEEK_MS, remember_orders_ms=WEEK_MS, contract_edition=EDITION)
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


@pytest.mark.parametrize("restart", [False, True])
def test_a_room_that_may_have_been_forgotten_says_since_when_it_is_known(restart: bool) -> None:  # noqa: FBT001 — one of two
    rules = structs.replace(RULES, signals_edition=2, rooms_max=1)
    log, saved = Log(rules), Saved()
    log.add(like("u1", room="r1"))
    assert log.overlay("r1").known_since_ms is None
    log.tick(1)
    log.add(like("u2", room="r2", s=1))
    assert log.overlay("r2").known_since_ms == at(1)
    if restart:
        log.fold = restarted(log.fold, saved, rules)
    log.tick(IDLE_S + 2)
    if restart:
        log.fold = restarted(log.fold, saved, rules)
    log.add(like("u3", room="r2", s=IDLE_S + 2))
    assert log.fold.rooms["r2"].born_ms == at(IDLE_S + 2)
    assert log.overlay("r2").known_since_ms == at(1), "of the first session that is known, not of this one"


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


# -- what begins no session --------------------------------------------------------------------------------------------
def after_a_show() -> Log:
    """A show of a like and a paid order, ended by word at second 10; its ids: l, o."""
    log = Log(RULES)
    log.add(room_opened(), enter("u1"), like("u1", event_id="l"), order("paid", "o1", "u1", event_id="o"))
    log.add(room_closed(s=10))
    assert "r1" not in log.fold.rooms
    return log


NO_NEWS: dict[str, RoomEvent] = {
    "a leave": leave("u1", s=11),
    "a repetition": like("u1", event_id="l", s=11),
    "an order's record again": order("paid", "o1", "u1", event_id="o", s=11),
    "the same status under another event id": order("paid", "o1", "u1", s=11),
    "an order of another user": order("refunded", "o1", "u2", s=11),
    "another thing under a known event id": order("placed", "o2", "u1", event_id="l", s=11),
}


@pytest.mark.parametrize("together", [False, True], ids=["alone", "beside another room's record"])
@pytest.mark.parametrize("why", NO_NEWS)
def test_what_is_no_news_begins_no_session(why: str, together: bool) -> None:  # noqa: FBT001 — one of two
    log = after_a_show()
    event = NO_NEWS[why]
    others: list[RoomEvent] = [msgspec.structs.replace(event, room_id="r2", event_id="of-r2")] if together else []
    log.add_slice(event, *others)
    assert ("r2" in log.fold.rooms) == together
    assert "r1" not in log.fold.rooms
    counters = log.fold.counters
    assert sum(counters.received) == sum(counters.applied) + sum(counters.duplicate) + len(log.fold.refused)
    assert len(log.fold.refused) == (why in ("an order of another user", "another thing under a known event id"))
    last = [
        msgspec.json.decode(each.document, type=Overlay) for each in log.fold.publish(None, 1) if each.room_id == "r1"
    ]
    assert [each.session.ended_by for each in last if each.session] == ["word"]
    assert last[0].totals.likes == 1


@pytest.mark.parametrize(
    "news", [comment(s=11), order("refunded", "o1", "u1", s=11), order("placed", "o2", "u1", s=11), enter("u2", s=11)]
)
def test_news_begins_a_session(news: RoomEvent) -> None:
    log = after_a_show()
    log.add(news)
    assert "r1" in log.fold.rooms


def test_what_was_no_news_is_remembered_over_a_restart() -> None:
    log = after_a_show()
    saved: Saved = {}
    log.add(leave("u1", s=11, event_id="bye"), order("paid", "o1", "u1", s=11, event_id="again"))
    log.fold = restarted(log.fold, saved, RULES)
    assert "r1" not in log.fold.rooms
    log.add(leave("u1", s=12, event_id="bye"), order("paid", "o1", "u1", s=12, event_id="again"))
    assert "r1" not in log.fold.rooms
    assert sum(log.fold.counters.duplicate) == 2


def test_of_a_room_that_is_known_no_more_everything_is_news() -> None:
    log = after_a_show()
    log.tick(3 * WEEK_MS / 1_000)
    log.add(leave("u1", s=3 * WEEK_MS / 1_000))
    assert "r1" in log.fold.rooms


def test_where_rooms_are_not_remembered_every_record_begins_a_session() -> None:
    log = Log(Rules(remember_sales_ms=0))
    log.add(like(event_id="l"))
    log.tick(IDLE_S + 1)
    log.add(leave(s=IDLE_S + 1))
    assert "r1" in log.fold.rooms
