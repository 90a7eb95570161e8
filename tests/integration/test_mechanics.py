"""Mechanics in real workers: a storm of gifts over a kill and a take-over, counted again and replayed."""

from __future__ import annotations

import asyncio
import time
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from stream.commands.replay_kafka import replay_topics
from tests.integration.worker_process import assert_exact, send

if TYPE_CHECKING:
    from stream.local.stack import Stack
    from tests.integration.conftest import StartWorker
    from tests.integration.worker_process import Record

pytestmark = pytest.mark.integration

ROOMS, COMBOS, LIMIT = 4, 60, 20


def storm(seed: int) -> list[Record]:
    """Words of combos as of now, shuffled, some of them twice; the same combos for every seed."""
    random, now_ms = Random(seed), time.time_ns() // 1_000_000
    records: list[Record] = []
    for combo in range(COMBOS):
        room = f"room-{combo % ROOMS}"
        for count in range(1 + random.randrange(5), 12, 2):
            gift: dict[str, Any] = {
                "type": "gift",
                "event_id": f"g{seed}-{combo}-{count}",
                "room_id": room,
                "event_time_ms": now_ms,
                "user_id": f"u{combo % 7}",
                "gift_id": "rose",
                "count": count,
                "coins_each": 10,
                "streak_id": f"s{combo}",
            }
            records.append(("interactions", room, msgspec.json.encode(gift)))
    records += random.sample(records, len(records) // 10)
    random.shuffle(records)
    return records


async def test_gifts_are_exact_over_a_kill_and_a_take_over(
    stack: Stack, topic_prefix: str, start_worker: StartWorker
) -> None:
    await asyncio.to_thread(stack.apply_topics, topic_prefix, partitions=3)
    first = start_worker(mechanic_limits=f"gifts.givers_max={LIMIT}")
    await first.until_ready(3)
    await send(stack, topic_prefix, storm(1))
    await first.until_counted("stream_checkpoint_seconds_count", 2)
    await send(stack, topic_prefix, storm(2))
    first.kill()
    second = start_worker(mechanic_limits=f"gifts.givers_max={LIMIT}")
    await second.until_ready(3)
    await send(stack, topic_prefix, storm(3))
    verdict = await assert_exact(stack, topic_prefix, second)
    assert len(verdict.rooms) == ROOMS
    assert second.terminate() == 0
    replayed = await replay_topics(
        stack.bootstrap_servers, topic_prefix, room=None, check=True, emit=lambda _: None, progress=lambda *_: None
    )
    assert replayed.differences == []
    assert len(replayed.last) == ROOMS
    for document in replayed.last.values():
        section = msgspec.json.decode(document)["gifts"]
        assert section["coins"] == 10 * section["gifts"] > 0
        assert section["givers"] == {"value": 7, "method": "exact"}
