"""TikTok LIVE: what two real libraries write of one invented room, and the traps of the guide."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.support.platforms.heard import NOW_MS, bridge, combos, distinct, events, fixture, notes, reasons

# What `tiktok.json` says, whichever library read it.
ROOM_SAYS = {"enter": 1, "comment": 2, "like": 1, "gauge": 3, "gift": 6, "follow": 1, "share": 1}
USER = {"id": "6800000000000000001"}


def said(number: int, **fields: Any) -> dict[str, Any]:
    common = {"msgId": str(7300000000000000100 + number), "roomId": "7300000000000000001"}
    return {"common": {**common, "createTime": str(NOW_MS + number)}, "user": USER, **fields}


@pytest.mark.parametrize("library", ["python", "node"])
def test_both_libraries_give_the_same_events(library: str) -> None:
    made = bridge("tiktok")
    found = distinct(events(made, *fixture(f"tiktok-{library}.ndjson"), arrived_ms=None))
    assert Counter(event["type"] for event in found.values()) == ROOM_SAYS
    assert {event["room_id"] for event in found.values()} == {"tt:7300000000000000001"}
    assert reasons(made) == {"ignored_kind": 1}  # a subscription is no entry
    comments = [event for event in found.values() if event["type"] == "comment"]
    # The second says its time in seconds.
    assert [event["event_time_ms"] for event in comments] == [1_790_000_003_000, 1_790_000_004_000]
    assert combos(list(found.values())) == {
        ("tt:6800000000000000001", "5655", "tt:1790000000100"): (5, 5),
        ("tt:6800000000000000001", "5655", "tt:1790000000200"): (3, 3),  # its end was lost
        ("tt:6800000000000000002", "6000", "tt:7300000000000000113"): (1, 500),
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "WebcastChatMessage", "content": "hello"},
        {"kind": "CommentEvent", "comment": "hello"},
        {
            "kind": "anything",
            "common": {"method": "WebcastChatMessage", "msgId": "7300000000000000101"},
            "content": "hello",
        },
        {
            "kind": "chat",
            "common": None,
            "msg_id": 7300000000000000101,
            "user": None,
            "userId": USER["id"],
            "content": "hello",
        },
    ],
)
def test_generations_of_names_give_one_comment(fields: dict[str, Any]) -> None:
    (event,) = events(bridge("tiktok", "show"), said(1) | fields)
    assert (event["event_id"], event["text"]) == ("tt:7300000000000000101", "hello")
    assert (event["room_id"], event["user_id"]) == ("show", "tt:6800000000000000001")


@pytest.mark.parametrize(
    ("written", "ms"),
    [
        (1_790_000_099, 1_790_000_099_000),
        ("1790000099123", 1_790_000_099_123),
        (1_790_000_099_123_456, 1_790_000_099_123),
        ("1790000099123456789", 1_790_000_099_123),
        ("2026-09-21T14:14:59.1239Z", 1_790_000_099_123),
        (0, NOW_MS),
        ("soon", NOW_MS),
        (NOW_MS + 3_600_000, NOW_MS),  # ahead of every clock: no worker would take it
    ],
)
def test_a_time_is_read_by_its_magnitude(written: Any, ms: int) -> None:
    message = said(1, kind="chat", content="x")
    message["common"]["createTime"] = written
    (event,) = events(bridge("tiktok"), message)
    assert event["event_time_ms"] == ms


def test_a_time_of_arrival_is_noted() -> None:
    made = bridge("tiktok")
    message = said(1, kind="chat", content="x")
    del message["common"]["createTime"]
    events(made, message)
    assert notes(made) == {"time_of_arrival": 1}


def test_a_combo_counts_its_greatest_count_whatever_is_lost_or_repeated() -> None:
    """Summing the messages would give 20 for a combo of 5."""
    gift = {"kind": "gift", "giftId": "5655", "groupId": "9", "gift": {"diamondCount": 2}}
    counts = [1, 2, 4, 5, 5, 2]
    messages = [said(number, **gift, repeatCount=count) for number, count in enumerate(counts)]
    found = events(bridge("tiktok"), *messages, *messages[:3])
    assert combos(found) == {("tt:6800000000000000001", "5655", "tt:9"): (5, 10)}
    assert len(distinct(found)) == len(set(counts))
    assert found[3]["event_id"] == "tt:9:5655:6800000000000000001:5"


def test_a_last_message_without_its_gift_costs_no_coins() -> None:
    gift = {"kind": "gift", "giftId": "5655", "groupId": "9"}
    made = bridge("tiktok")
    found = events(made, said(1, **gift, repeatCount=1, gift={"diamondCount": 2}), said(2, **gift, repeatCount=7))
    assert combos(found) == {("tt:6800000000000000001", "5655", "tt:9"): (7, 14)}
    assert events(made, said(3, kind="gift", giftId="1", repeatCount=1))[0]["coins_each"] == 0
    assert notes(made) == {"coins_unknown": 1}


def test_more_gifts_than_an_event_holds_are_several_combos_that_only_grow() -> None:
    gift = {"kind": "gift", "giftId": "5655", "groupId": "9", "gift": {"diamondCount": 1}}
    found = events(bridge("tiktok"), *(said(count, **gift, repeatCount=count) for count in (9_999, 10_001, 25_000)))
    assert sum(gifts for gifts, _ in combos(found).values()) == 25_000


def test_a_large_batch_of_taps_is_several_likes_and_none_is_none() -> None:
    made = bridge("tiktok")
    found = events(made, said(1, kind="like", count=25_000), said(2, kind="like", count=0))
    assert [(event["event_id"][-2:], event["count"]) for event in found] == [
        ("01", 10_000),
        (":2", 10_000),
        (":3", 5_000),
    ]
    assert reasons(made) == {"nothing_counted": 1}


def test_a_follow_that_a_library_tells_twice_is_one() -> None:
    key = {"displayText": {"key": "pm_main_follow_message_viewer_2"}}
    message = said(1)
    message["common"] |= key
    found = events(bridge("tiktok"), *({"kind": kind, **message} for kind in ("FollowEvent", "SocialEvent", "follow")))
    assert [*distinct(found)] == [("follow", "tt:7300000000000000101")]


def test_a_comment_that_a_library_also_calls_a_share_is_a_comment() -> None:
    made = bridge("tiktok")
    message = said(1, content="look")
    message["common"]["method"] = "WebcastChatMessage"
    found = events(made, {"kind": "CommentEvent", **message}, {"kind": "ShareEvent", **message})
    assert [event["type"] for event in found] == ["comment"]
    assert reasons(made) == {"said_twice": 1}


def test_a_relay_without_ids_has_the_same_id_each_time() -> None:
    made = bridge("tiktok", "show")
    message = {"kind": "chat", "createTime": NOW_MS, "userId": "1", "comment": "hello"}
    (first, again) = events(made, message, message)
    assert first["event_id"] == again["event_id"]
    (other,) = events(made, message | {"comment": "hello?"})
    assert other["event_id"] != first["event_id"]
    assert notes(made) == {"id_made": 3}


def test_an_id_that_went_through_a_double_is_refused() -> None:
    made = bridge("tiktok")
    message = said(1, kind="chat", content="x")
    message["user"] = {"id": 6.8e18}
    assert events(made, message) == []
    assert reasons(made) == {"bad_number": 1}


def test_text_is_cut_and_never_lost() -> None:
    made = bridge("tiktok")
    half = b'{"kind":"chat","msgId":"9","roomId":"1","comment":"cut \\ud83d","createTime":0}'
    long, broken = events(made, said(1, kind="chat", content="长" * 501), half)
    assert (long["text"], broken["text"]) == ("长" * 499 + "…", "cut ?")
    assert (notes(made)["text_cut"], notes(made)["half_character"]) == (1, 1)


def test_a_wrapper_or_an_array_holds_many_messages() -> None:
    made = bridge("tiktok")
    batch = {"messages": [{"type": "WebcastChatMessage", "data": said(n, content="x")} for n in range(3)]}
    wrapped = {"kind": "chat", "room": "my show", "received_at": NOW_MS, "body": said(7, content="x")}
    found = events(made, batch, [said(8, kind="chat", content="x"), 7], wrapped)
    assert len(found) == 5
    assert found[-1]["room_id"] == "my:20show"
    assert (made.books.lines, made.books.messages, reasons(made)) == (3, 6, {"not_a_message": 1})
