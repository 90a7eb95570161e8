"""Bridges as tests use them: lines in, events out, and what the books say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from stream.bridge.bridge import Bridge
from stream.bridge.platforms import PLATFORMS, shopify

HERE = Path(__file__).parent
NOW_MS = 1_790_000_100_000

Json = dict[str, Any]


def bridge(platform: str, room: str | None = None, **of_shop: Any) -> Bridge:
    """A bridge of a platform."""
    return Bridge(shopify(**of_shop) if of_shop else PLATFORMS[platform], room)


def fixture(name: str) -> list[bytes]:
    """The lines that a real library wrote."""
    return (HERE / name).read_bytes().splitlines()


def events(made: Bridge, *messages: Any, arrived_ms: int | None = NOW_MS) -> list[Json]:
    """The events of these messages, one line each; fields without a value are left out."""
    found = []
    for message in messages:
        line = message if isinstance(message, bytes) else msgspec.json.encode(message)
        for record in made.take(line, arrived_ms):
            event = msgspec.json.decode(record.value or b"null")
            assert record.key == event["room_id"].encode()
            found.append({name: value for name, value in event.items() if value is not None})
    assert made.books.unaccounted() == 0
    return found


def reasons(made: Bridge) -> dict[str, int]:
    """Messages without events, by reason."""
    return {reason.value: count for reason, count in made.books.reasons.items()}


def notes(made: Bridge) -> dict[str, int]:
    """What was read into messages, by note."""
    return {note.value: count for note, count in made.books.notes.items()}


def combos(found: list[Json]) -> dict[tuple[str, str, str], tuple[int, int]]:
    """(user, gift, streak or event) → (gifts, coins), as the gift mechanic counts: the greatest of each combo."""
    kept: dict[tuple[str, str, str], tuple[int, int]] = {}
    for gift in found:
        if gift["type"] == "gift":
            key = gift["user_id"], gift["gift_id"], gift.get("streak_id") or gift["event_id"]
            kept[key] = max(kept.get(key, (0, 0)), (gift["count"], gift["count"] * gift["coins_each"]))
    return kept


def distinct(found: list[Json]) -> dict[tuple[str, str], Json]:
    """(topic's type, event id) → the first event with it, as a worker keeps them."""
    first: dict[tuple[str, str], Json] = {}
    for event in found:
        first.setdefault((event["type"], event["event_id"]), event)
    return first
