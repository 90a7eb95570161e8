"""Bridges are total: any JSON, or none, is accounted for, and what comes out is what the contract takes."""

from __future__ import annotations

import os
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stream.bridge.bridge import Bridge
from stream.bridge.platforms import PLATFORMS
from tests.support.platforms.heard import NOW_MS, fixture
from tests.unit.bridge import test_bilibili as bili
from tests.unit.bridge import test_chats as chats
from tests.unit.bridge import test_shopify as shop

# BRIDGE_FUZZ=30 looks thirty times as long.
THOROUGH = int(os.environ.get("BRIDGE_FUZZ", "1"))
REAL = {"tiktok": ["tiktok-python.ndjson", "tiktok-node.ndjson"], "douyin": ["douyin.ndjson"]}
LIVE = {platform: [line for name in names for line in fixture(name)] for platform, names in REAL.items()}
# One message of each kind of the others, as the unit tests have them.
OTHERS = {
    "bilibili": [bili.danmu("x", 7), bili.web("SEND_GIFT", giftId=1, num=3, coin_type="gold", total_coin=1_000)],
    "youtube": [chats.item(textMessageDetails={"messageText": "x"})],
    "twitch": [chats.irc("x", ";bits=5"), chats.notification("channel.chat.message", chats.CHAT)],
    "kuaishou": [{"likeFeeds": [{"id": "1", "user": {"principalId": "u"}}], "displayLikeCount": "1.2万"}],
    "shopify": [shop.order("orders/paid", shop.line(1), shop.line(2))],
}
MESSAGES = LIVE | {name: [msgspec.json.encode(each) for each in messages] for name, messages in OTHERS.items()}
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, -1, 2**53, 2**63, 10**40, 1.5, "", "0", "-", "null", "1e3", "x" * 200, "半", "１２", [], {}, [[]]]
)
LEAVES = ODD | st.text(max_size=8) | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
NAMES = ["kind", "cmd", "common", "msgId", "user", "id", "data", "body", "headers", "room", "count", "info", "messages"]
JSON: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=4), inner),
    max_leaves=20,
)
# A loaded machine takes long over an example.
SETTINGS = settings(max_examples=100 * THOROUGH, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ARRIVED = st.sampled_from([None, 0, NOW_MS, 2**53])


def take(made: Bridge, line: bytes, arrived_ms: int | None) -> list[tuple[str, bytes | None]]:
    records = [(record.topic, record.value) for record in made.take(line, arrived_ms)]
    assert made.books.unaccounted() == 0
    assert made.books.events >= len(records)
    assert made.last_refusal == ""
    return records


@SETTINGS
@given(node=JSON, arrived_ms=ARRIVED)
def test_any_json_is_accounted_for_and_twice_is_once(node: Any, arrived_ms: int | None) -> None:
    line = msgspec.json.encode(node)
    for platform in PLATFORMS.values():
        made = Bridge(platform, "room")
        assert take(made, line, arrived_ms) == take(made, line, arrived_ms)


@SETTINGS
@given(line=st.binary(max_size=40), arrived_ms=ARRIVED)
def test_any_bytes_are_accounted_for(line: bytes, arrived_ms: int | None) -> None:
    for platform in PLATFORMS.values():
        take(Bridge(platform), line, arrived_ms)


@SETTINGS
@given(data=st.data())
def test_a_message_with_anything_anywhere_is_accounted_for_and_twice_is_once(data: Any) -> None:
    """A real message, with odd values in the place of some of its own."""
    platform = data.draw(st.sampled_from(sorted(MESSAGES)))
    message = msgspec.json.decode(data.draw(st.sampled_from(MESSAGES[platform])))
    for _ in range(data.draw(st.integers(1, 3))):
        place = message
        while True:
            key = data.draw(st.sampled_from(sorted(place)))
            if not isinstance(place[key], dict) or not place[key] or data.draw(st.booleans()):
                break
            place = place[key]
        place[key] = data.draw(LEAVES | JSON)
    line, arrived_ms = msgspec.json.encode(message), data.draw(ARRIVED)
    made = Bridge(PLATFORMS[platform], "room")
    first, again = take(made, line, arrived_ms), take(made, line, arrived_ms)
    assert first == again
