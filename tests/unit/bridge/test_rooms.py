"""A backlog is not news; what was missed while the bridge was away is."""

from __future__ import annotations

from typing import Any

from stream.bridge.rooms import AGAIN_SLACK_MS, Rooms
from tests.support.platforms.heard import NOW_MS, bridge, events, reasons


def chat(number: int, time_ms: int) -> dict[str, Any]:
    return {"kind": "chat", "msgId": str(number), "roomId": "1", "userId": "5", "comment": "x", "createTime": time_ms}


def test_what_was_said_before_the_first_connection_is_backlog() -> None:
    made = bridge("tiktok")
    made.connected(NOW_MS)
    found = events(made, chat(1, NOW_MS - 17 * 60_000), chat(2, NOW_MS - 1_000), chat(3, NOW_MS + 5_000))
    assert [event["event_id"] for event in found] == ["tt:2", "tt:3"]
    assert reasons(made) == {"backlog": 1}


def test_after_a_reconnect_what_was_missed_counts_and_what_was_heard_long_before_does_not() -> None:
    made = bridge("tiktok")
    made.connected(NOW_MS)
    later_ms = NOW_MS + 600_000
    events(made, chat(1, NOW_MS + 500_000), arrived_ms=NOW_MS + 500_000)
    heard = [chat(0, NOW_MS + 400_000), chat(1, NOW_MS + 500_000), chat(2, NOW_MS + 560_000)]
    found = events(made, {"kind": "connected"}, *heard, arrived_ms=later_ms)
    # The second has the id that it had: the worker tells it as a duplicate.
    assert [event["event_id"] for event in found] == ["tt:1", "tt:2"]
    assert reasons(made) == {"connected": 1, "backlog": 1}


def test_a_clock_that_is_ahead_does_not_hide_what_comes_after_a_reconnect() -> None:
    made = bridge("tiktok")
    events(made, chat(1, NOW_MS + 86_400_000))
    (event,) = events(made, {"kind": "connected"}, chat(2, NOW_MS + 1_000), arrived_ms=NOW_MS + 2_000)
    assert event["event_id"] == "tt:2"


def test_a_connection_of_one_room_leaves_the_others_alone() -> None:
    rooms = Rooms()
    for room in ("a", "b"):
        assert not rooms.is_backlog(room, NOW_MS, NOW_MS)
        assert not rooms.is_backlog(room, NOW_MS + 300_000, NOW_MS)
    rooms.connect(NOW_MS + 300_000, "a")
    early_ms = NOW_MS + 300_000 - AGAIN_SLACK_MS - 1
    assert rooms.is_backlog("a", early_ms, NOW_MS)
    assert not rooms.is_backlog("b", early_ms, NOW_MS)


def test_rooms_are_bounded_and_the_most_silent_one_is_forgotten() -> None:
    rooms = Rooms(limit=2)
    for room in ("a", "b", "a", "c"):
        rooms.is_backlog(room, NOW_MS, NOW_MS)
    assert (rooms.newest_ms("a"), rooms.newest_ms("b"), rooms.forgotten) == (NOW_MS, None, 1)


def test_a_file_that_does_not_say_when_it_was_heard_has_no_backlog() -> None:
    made = bridge("tiktok")
    assert len(events(made, chat(1, 1_500_000_000_000), chat(2, 1_400_000_000_000), arrived_ms=None)) == 2
    assert events(made, chat(3, 0), arrived_ms=None)[0]["event_time_ms"] == 1_500_000_000_000
    assert events(bridge("tiktok"), chat(3, 0), arrived_ms=None) == []
