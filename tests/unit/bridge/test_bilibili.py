"""bilibili: commands of the web stream and of the open platform."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.platforms.heard import NOW_MS, bridge, distinct, events, notes, reasons

NOW_S = NOW_MS // 1000
OPEN = {"room_id": 1, "open_id": "0a1b2c3d4e5f60718293a4b5c6d7e8f9", "timestamp": NOW_S, "msg_id": "2f6c0c1e-0000-4000"}


def danmu(text: str, uid: int, crc: str = "8f3a", number: int = 1) -> dict[str, Any]:
    head: list[Any] = [0, 1, 25, 0, NOW_MS, 0, 0, crc, 0, 0, 0, "", 0, "{}", "{}"]
    return {
        "cmd": "DANMU_MSG:4:0:2:2:2:0",
        "info": [[*head, {"extra": f'{{"id_str":"id{number}"}}'}], text, [uid, "x***"]],
    }


def web(cmd: str, **data: Any) -> dict[str, Any]:
    return {"cmd": cmd, "data": {"uid": 7, "timestamp": NOW_S, **data}}


def said(platform_open: str, **data: Any) -> dict[str, Any]:
    return {"cmd": f"LIVE_OPEN_PLATFORM_{platform_open}", "data": OPEN | data}


def test_who_is_not_logged_in_sees_no_user_and_is_told_one_from_another() -> None:
    found = events(bridge("bilibili", "r"), danmu("你好", 7), danmu("a", 0, "aa", 2), danmu("b", 0, "bb", 3))
    assert [(event["user_id"], event["event_id"]) for event in found] == [
        ("bl:7", "bl:id1"),
        ("bl:crc:aa", "bl:id2"),
        ("bl:crc:bb", "bl:id3"),
    ]
    assert {event["event_time_ms"] for event in found} == {NOW_MS}


def test_entering_following_sharing() -> None:
    made = bridge("bilibili", "r")
    words = [web("INTERACT_WORD", msg_type=what) for what in (1, 2, 3, 4)]
    found = events(made, *words, words[0], web("ENTRY_EFFECT"), web("INTERACT_WORD", msg_type=1, uid=0))
    assert [event["type"] for event in found] == ["enter", "follow", "share", "enter"]
    assert len(distinct(found)) == 3
    assert reasons(made) == {"ignored_kind": 1, "said_twice": 1, "no_user": 1}


def test_what_a_gift_cost_is_what_was_paid() -> None:
    """`price × num` is wrong for blind boxes and discounts; silver is no money; a combo repeats its gifts."""
    made = bridge("bilibili", "r")
    gift = {"giftId": 31, "num": 3, "price": 9_999, "coin_type": "gold", "total_coin": 1_000, "tid": "t1"}
    found = events(
        made, web("SEND_GIFT", **gift), web("COMBO_SEND", **gift), web("SEND_GIFT", **gift | {"coin_type": "silver"})
    )
    assert [(event["event_id"], event["count"], event["coins_each"]) for event in found] == [
        ("bl:t1", 2, 333),
        ("bl:t1:rest", 1, 334),
        ("bl:t1", 3, 0),
    ]
    batch = {
        "cmd": "SEND_GIFT_V2",
        "data": {"uid": 7, "timestamp": NOW_S, "gift_list": [gift | {"tid": f"t{n}"} for n in (2, 3)]},
    }
    assert len(distinct(events(made, batch))) == 4
    assert made.books.messages == 5


def test_a_guard_is_bought_once_whatever_says_it() -> None:
    made = bridge("bilibili", "r")
    found = events(
        made, web("GUARD_BUY", guard_level=1, num=1, price=19_998_000), web("USER_TOAST_MSG"), web("USER_TOAST_MSG_V2")
    )
    assert sum(event["count"] * event["coins_each"] for event in found) == 19_998_000
    assert (reasons(made), notes(made)["gift_split"]) == ({"said_twice": 2}, 1)


def test_a_super_chat_is_text_and_yuan() -> None:
    made = bridge("bilibili", "r")
    chat = {"id": 5, "message": "加油", "price": 30}
    found = events(
        made, web("SUPER_CHAT_MESSAGE", **chat), web("SUPER_CHAT_MESSAGE_JPN", **chat), web("SUPER_CHAT_MESSAGE_DELETE")
    )
    assert [(event["type"], event.get("text"), event.get("coins_each")) for event in found] == [
        ("gift", None, 30_000),
        ("comment", "加油", None),
    ]


def test_counters_are_gauges_and_a_click_is_one_like() -> None:
    click, total = web("LIKE_INFO_V3_CLICK"), {"cmd": "LIKE_INFO_V3_UPDATE", "data": {"click_count": 900}}
    found = events(bridge("bilibili", "r"), click, total, {"cmd": "WATCHED_CHANGE", "data": {"num": 52_431}})
    assert [
        (event["type"], event.get("count"), event.get("likes_total"), event.get("viewers_total")) for event in found
    ] == [
        ("like", 1, None, None),
        ("gauge", None, 900, None),
        ("gauge", None, None, 52_431),
    ]


@pytest.mark.parametrize(
    ("message", "event"),
    [
        (said("LIKE", like_count=12), {"type": "like", "count": 12}),
        (said("DM", msg="hi"), {"type": "comment", "text": "hi"}),
        (said("LIVE_ROOM_ENTER"), {"type": "enter"}),
        (
            said("SEND_GIFT", gift_id=3, gift_num=2, price=500, r_price=400, paid=True),
            {"type": "gift", "coins_each": 400},
        ),
        (
            said("SEND_GIFT", gift_id=3, gift_num=2, price=500, r_price=400, paid=False),
            {"type": "gift", "coins_each": 0},
        ),
        (said("SUPER_CHAT", rmb=50, message=""), {"type": "gift", "coins_each": 50_000}),
    ],
)
def test_the_open_platform(message: dict[str, Any], event: dict[str, Any]) -> None:
    (found,) = events(bridge("bilibili"), message)
    assert event.items() <= found.items()
    assert found["room_id"] == "bl:1"
    assert found["user_id"] == "bl:0a1b2c3d4e5f60718293a4b5c6d7e8f9"
    assert found["event_time_ms"] == NOW_MS


def test_what_comes_from_a_linked_room_counts_there() -> None:
    made = bridge("bilibili", "r")
    assert events(made, danmu("x", 7) | {"cmd": "DANMU_MSG_MIRROR"}, said("DM_MIRROR", msg="x")) == []
    assert reasons(made) == {"other_room": 2}
