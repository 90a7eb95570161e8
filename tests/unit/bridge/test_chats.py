"""YouTube, Twitch and Kuaishou."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.platforms.heard import NOW_MS, bridge, combos, distinct, events, notes, reasons

NOW = "2026-09-21T14:15:00.000000001Z"
IRC = (
    "@badge-info=;display-name=A;id=885196de;room-id=12;tmi-sent-ts={ms};user-id=77{more} "
    ":a!a@a.tmi.twitch.tv PRIVMSG #show :{text}\r\n"
)


# -- YouTube -----------------------------------------------------------------------------------------------------------
def item(kind: str = "textMessageEvent", **snippet: Any) -> dict[str, Any]:
    return {
        "kind": "youtube#liveChatMessage",
        "id": "LCC." + "x" * 40,
        "snippet": {"type": kind, "liveChatId": "L" * 75, "publishedAt": NOW, **snippet},
        "authorDetails": {"channelId": "UCabc"},
    }


def test_items_of_an_answer_are_messages_and_a_live_chat_is_no_room() -> None:
    made = bridge("youtube")
    text: dict[str, Any] = {"textMessageDetails": {"messageText": "hello"}}
    items = [item(**text), item("newSponsorEvent")]
    found = events(made, {"room": "dQw4w9WgXcQ", "body": {"items": items}}, item(**text))
    assert [(event["room_id"], event["user_id"], event["text"]) for event in found] == [
        ("dQw4w9WgXcQ", "yt:UCabc", "hello")
    ]
    assert reasons(made) == {"ignored_kind": 1, "no_room": 1}


@pytest.mark.parametrize("length", [44, 106, 140])
def test_old_ids_are_hashed_and_stay_ids(length: int) -> None:
    made = bridge("youtube", "v")
    message = item(textMessageDetails={"messageText": "x"}) | {"id": "i" * length}
    first, again = events(made, message, message)
    assert first["event_id"] == again["event_id"]
    assert notes(made) == ({"id_hashed": 2} if length > 61 else {})


def test_a_paid_message_is_its_text_and_no_coins() -> None:
    made = bridge("youtube", "v")
    paid = item("superChatEvent", superChatDetails={"amountMicros": "1000000", "currency": "JPY", "userComment": "go"})
    ng = {
        "type": "superChat",
        "id": "a%3D",
        "message": "go :fire:",
        "timestamp": NOW_MS,
        "author": {"channelId": "UC1"},
    }
    found = events(made, paid, ng | {"amountString": "¥1,000", "currency": "¥", "amountValue": 1.0})
    assert [(event["type"], event["text"]) for event in found] == [("comment", "go"), ("comment", "go :fire:")]
    assert found[1]["event_id"] == "yt:a:253D"
    assert notes(made) == {"amount_of_paid_message_left_out": 2}


def test_a_video_says_its_own_figures() -> None:
    video = {
        "kind": "youtube#video",
        "id": "vid",
        "statistics": {"likeCount": "12"},
        "liveStreamingDetails": {"concurrentViewers": "345"},
    }
    (event,) = events(bridge("youtube"), {"items": [video]})
    assert (event["room_id"], event["viewers_now"], event["likes_total"]) == ("yt:vid", 345, 12)


# -- Twitch ------------------------------------------------------------------------------------------------------------
def irc(text: str, more: str = "") -> dict[str, str]:
    return {"irc": IRC.format(ms=NOW_MS, text=text, more=more)}


def notification(kind: str, event: dict[str, Any], message_id: str = "d1") -> dict[str, Any]:
    metadata = {"message_id": message_id, "message_timestamp": NOW, "subscription_type": kind}
    return {"metadata": metadata, "payload": {"subscription": {"type": kind}, "event": event}}


CHAT = {"broadcaster_user_id": "12", "chatter_user_id": "77", "message_id": "885196de", "message": {"text": "hello"}}


def test_a_message_that_is_heard_twice_in_two_ways_is_one() -> None:
    said = [irc("hello"), notification("channel.chat.message", CHAT), notification("channel.chat.message", CHAT, "d2")]
    found = events(bridge("twitch"), *said)
    assert [*distinct(found)] == [("comment", "tw:885196de")]
    assert {(event["room_id"], event["user_id"], event["text"], event["event_time_ms"]) for event in found} == {
        ("tw:12", "tw:77", "hello", NOW_MS)
    }


def test_a_shared_chat_counts_where_it_was_written() -> None:
    made = bridge("twitch")
    shared = CHAT | {"source_broadcaster_user_id": "13"}
    found = events(
        made,
        irc("a", ";source-room-id=12"),
        irc("b", ";source-room-id=13"),
        notification("channel.chat.message", shared),
    )
    assert [event["text"] for event in found] == ["a"]
    assert reasons(made) == {"other_room": 2}


def test_bits_are_gifts_once_and_actions_are_unwrapped() -> None:
    made = bridge("twitch")
    found = events(
        made,
        irc("Cheer100 nice", ";bits=100"),
        irc("\x01ACTION waves\x01"),
        notification("channel.cheer", {"bits": 100}),
    )
    assert [(event["type"], event.get("text"), event.get("count")) for event in found] == [
        ("comment", "Cheer100 nice", None),
        ("gift", None, 100),
        ("comment", "waves", None),
    ]
    assert reasons(made) == {"said_twice": 1}


def test_a_follow_has_no_message_and_an_id_all_the_same() -> None:
    follow = {"user_id": "5", "broadcaster_user_id": "12", "followed_at": NOW}
    made = bridge("twitch")
    found = events(
        made,
        notification("channel.follow", follow),
        notification("channel.follow", follow, "d2"),
        {"irc": ":a JOIN #b"},
    )
    assert len(distinct(found)) == 1
    assert reasons(made) == {"ignored_kind": 1}


# -- Kuaishou ----------------------------------------------------------------------------------------------------------
def test_feeds_of_a_push_are_messages() -> None:
    made = bridge("kuaishou", "r")
    user = {"principalId": "3xabc", "userName": "某人"}
    gift = {"id": "g", "user": user, "giftId": 9, "mergeKey": "m1", "batchSize": 10, "time": NOW_MS}
    push = {
        "displayWatchingCount": "1.2万",
        "displayLikeCount": "3 456",
        "commentFeeds": [{"id": "c1", "user": user, "content": "多少钱", "time": NOW_MS}],
        "likeFeeds": [{"id": "l1", "user": user}],
        "giftFeeds": [gift | {"comboCount": 1}, gift | {"comboCount": 3}, 7],
    }
    found = events(made, {"kind": "SCWebFeedPush", **push})
    assert [event["type"] for event in found] == ["comment", "like", "gift", "gift", "gauge"]
    assert combos(found) == {("ks:3xabc", "9", "ks:m1"): (30, 0)}
    assert (found[4]["viewers_now"], found[4]["precision"]) == (12_000, "rounded")
    assert (made.books.messages, reasons(made)) == (6, {"no_id": 1})


def test_official_messages_have_neither_id_nor_time() -> None:
    made = bridge("kuaishou", "r")
    said = [
        {"cmd": 2, "data": {"user": "u1", "giftId": "5", "count": 2, "giftTotalDou": 21}},
        {"cmd": 3, "data": {"user": {"openId": "u1"}, "content": "hi"}},
        {"cmd": 7, "data": {"user": "u1", "count": 40}},
        {"cmd": 9, "data": {"user": "u1"}},
        {"cmd": 10, "data": {"user": "u1"}},
        {"cmd": 99, "data": {"user": "u1"}},
    ]
    found = events(made, *said)
    assert [event["type"] for event in found] == ["gift", "gift", "comment", "like", "share", "follow"]
    assert sum(event["count"] * event["coins_each"] for event in found[:2]) == 21
    assert {event["user_id"] for event in found} == {"ks:u1"}
    assert reasons(made) == {"ignored_kind": 1}
    assert notes(made) == {"time_of_arrival": 5, "id_made": 5}
