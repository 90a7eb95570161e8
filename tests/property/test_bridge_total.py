"""Bridges are total: any JSON, or none, is accounted for, and what comes out is what the contract takes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.bridge.bridge import Bridge
from stream.bridge.platforms import PLATFORMS
from tests.support.platforms.heard import NOW_MS, fixture

FIXTURES = {"tiktok": ["tiktok-python.ndjson", "tiktok-node.ndjson"], "douyin": ["douyin.ndjson"]}
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
ARRIVED = st.sampled_from([None, 0, NOW_MS, 2**53])


def take(made: Bridge, line: bytes, arrived_ms: int | None) -> list[tuple[str, bytes | None]]:
    records = [(record.topic, record.value) for record in made.take(line, arrived_ms)]
    assert made.books.unaccounted() == 0
    assert made.books.events >= len(records)
    assert made.last_refusal == ""
    return records


@pytest.mark.parametrize("platform", PLATFORMS)
@given(node=JSON, arrived_ms=ARRIVED)
def test_any_json_is_accounted_for(platform: str, node: Any, arrived_ms: int | None) -> None:
    made = Bridge(PLATFORMS[platform], "room")
    line = msgspec.json.encode(node)
    assert [topic for topic, _ in take(made, line, arrived_ms)] == [topic for topic, _ in take(made, line, arrived_ms)]


@pytest.mark.parametrize("platform", PLATFORMS)
@given(line=st.binary(max_size=40), arrived_ms=ARRIVED)
def test_any_bytes_are_accounted_for(platform: str, line: bytes, arrived_ms: int | None) -> None:
    take(Bridge(PLATFORMS[platform]), line, arrived_ms)


@pytest.mark.parametrize("platform", FIXTURES)
@given(data=st.data())
def test_a_message_with_anything_anywhere_is_accounted_for_and_twice_is_once(platform: str, data: Any) -> None:
    """A real message, with odd values in the place of some of its own."""
    lines = [line for name in FIXTURES[platform] for line in fixture(name)]
    message = msgspec.json.decode(data.draw(st.sampled_from(lines)))
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
