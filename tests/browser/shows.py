"""The snap-up show as documents, folded by the core alone: for pages that need a real course of things."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from stream.contract.events import TOPIC_NAMES
from stream.contract.overlay import room_key
from stream.core.partition import PartitionFold
from stream.core.rules import Rules
from stream.shows.snap_up import NAME, build

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

    from stream.shows.show import Delivery

T0_MS = 1_700_000_000_000
TICK_MS = 250
# Beyond this a number is a moment, not a span.
EPOCH_MS = 10**12


class _Record(NamedTuple):
    value: bytes
    key: bytes
    offset: int
    timestamp: int
    headers: tuple[tuple[str, bytes], ...] = ()


def documents(until_ms: int, seed: int = 1) -> Iterator[dict[str, Any]]:
    """What a worker would publish, in show time from `T0_MS`, each quarter of a second."""
    topics = [f"live.{name}" for name in TOPIC_NAMES]
    fold = PartitionFold(0, Rules(), topics)
    offsets = [0] * len(topics)
    deliveries = iter(build(seed).deliveries(T0_MS))
    waiting: Delivery | None = next(deliveries)
    for clock_ms in range(T0_MS, T0_MS + until_ms, TICK_MS):
        while waiting is not None and T0_MS + waiting.send_ms <= clock_ms:
            topic = TOPIC_NAMES.index(waiting.topic)
            record = _Record(waiting.value, waiting.key, offsets[topic], T0_MS + waiting.send_ms)
            fold.fold(topic, [record])
            offsets[topic] += 1
            waiting = next(deliveries, None)
        fold.advance(clock_ms, "tick")
        for published in fold.publish(clock_ms, 1):
            yield msgspec.json.decode(published.document)


def shifted(value: Any, by_ms: int) -> Any:
    """The same, so much later."""
    if isinstance(value, dict):
        return {
            key: each + by_ms
            if key.endswith("_ms") and isinstance(each, int) and each > EPOCH_MS
            else shifted(each, by_ms)
            for key, each in value.items()
        }
    return [shifted(each, by_ms) for each in value] if isinstance(value, list) else value


def publish(redis: Redis, document: dict[str, Any], by_ms: int) -> None:
    """Put it into Redis as of now."""
    key = room_key("live", NAME, "overlay")
    redis.set(key, msgspec.json.encode(shifted(document, by_ms)), px=10_000)
    redis.publish(room_key("live", NAME, "rev"), document["rev"])
