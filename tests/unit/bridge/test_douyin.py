"""Douyin: what a real library decodes, and the official push."""

from __future__ import annotations

from collections import Counter

from tests.support.platforms.heard import NOW_MS, bridge, combos, distinct, events, fixture, notes, reasons

PUSH = {"x-roomid": "731", "x-msg-type": "live_like"}


def test_a_real_library_gives_these_events() -> None:
    made = bridge("douyin")
    found = distinct(events(made, *fixture("douyin.ndjson"), arrived_ms=None))
    assert Counter(event["type"] for event in found.values()) == {
        "enter": 1,
        "comment": 2,
        "like": 1,
        "gauge": 3,
        "gift": 4,
        "follow": 1,
        "share": 1,
    }
    assert reasons(made) == {"ignored_kind": 1, "no_user": 1}  # a masked stranger is no viewer of his own
    assert combos(list(found.values())) == {
        ("dy:92000000001", "463", "dy:71"): (3, 3),
        ("dy:92000000002", "2000", "dy:72"): (1, 66),  # a single gift is two messages
        ("dy:92000000002", "463", "dy:73"): (66, 66),
    }
    # No message says its time: the ids do.
    assert [event["event_time_ms"] for event in found.values()][:3] == [
        1_790_000_001_000,
        1_790_000_003_000,
        1_790_000_004_000,
    ]
    assert [event.get("user_id") for event in found.values()][1:3] == ["dy:92000000001", "-"]
    counters = [event for event in found.values() if event["type"] == "gauge"][1:]
    assert [(event["precision"], event.get("viewers_now"), event.get("viewers_total")) for event in counters] == [
        ("exact", 812, None),
        ("rounded", None, 123_000),
    ]


def test_a_push_is_an_array_and_its_seconds_are_seconds() -> None:
    made = bridge("douyin")
    body = [
        {"msg_id": "1", "sec_openid": "a", "like_num": 8, "timestamp": NOW_MS // 1000},
        {"msg_id": "2", "sec_open_id": "a", "like_num": 3, "timestamp": NOW_MS, "test": True},
        {"msg_id": "1", "sec_openid": "a", "like_num": 8, "timestamp": NOW_MS // 1000},
    ]
    found = events(made, {"headers": PUSH, "body": body})
    assert [(event["room_id"], event["count"], event["event_time_ms"]) for event in found] == [
        ("dy:731", 8, NOW_MS)
    ] * 2
    assert len(distinct(found)) == 1
    assert reasons(made) == {"test": 1}


def test_a_pushed_gift_has_its_value_in_fen_of_the_whole_message() -> None:
    made = bridge("douyin")
    gift = {"msg_id": "1", "sec_openid": "a", "sec_gift_id": "n1/B==", "gift_num": 3, "timestamp": NOW_MS}
    headers = PUSH | {"x-msg-type": "live_gift"}
    found = events(made, {"headers": headers, "body": [gift | {"gift_value": 600}, gift | {"gift_value": 605}]})
    assert [(event["count"], event["coins_each"], event["gift_id"]) for event in found] == [
        (3, 20, "n1:2FB:3D:3D"),
        (3, 0, "n1:2FB:3D:3D"),
    ]
    assert notes(made) == {"coins_unknown": 1}
