"""Live equals replay, to the byte, on real Kafka: over a kill, a take-over, a newcomer and a rebalance."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from typer.testing import CliRunner

from stream.cli import app
from stream.commands.replay_kafka import replay_topics
from stream.errors import SnapupError
from tests.integration.worker_process import delete_records, feeding, send

if TYPE_CHECKING:
    from stream.local.stack import Stack
    from tests.integration.conftest import StartWorker
    from tests.integration.worker_process import Record

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def sale_events(rooms: int, orders: int, seed: int) -> list[Record]:
    """Sales that open, sell in bursts, run out of holds and end, as of now."""
    chance = random.Random(seed)
    now_ms = time.time_ns() // 1_000_000
    records: list[Record] = []

    def add(topic: str, room: str, **event: Any) -> None:
        event |= {"event_id": f"s{seed}-{len(records)}", "room_id": room, "event_time_ms": now_ms}
        records.append((topic, room, msgspec.json.encode(event)))

    for number in range(rooms):
        add(
            "sales", f"room-{number}", type="sale_opened", sale_id="s", sku_id="sku-1", offered=orders // rooms,
            starts_at_ms=now_ms - 1_000, ends_at_ms=now_ms + 8_000 + 1_000 * number,
        )  # fmt: skip
    for number in range(orders):
        line = {"sku_id": "sku-1", "quantity": chance.randrange(1, 4), "amount_minor": 990, "sale_id": "s"}
        status = chance.choice(["placed", "placed", "paid", "cancelled"])
        add(
            "orders", f"room-{chance.randrange(rooms)}", type="order", order_id=f"so{seed}-{number // 2}",
            user_id=f"u{number}", status=status, currency="CNY", lines=[line],
        )  # fmt: skip
    return records


async def check(stack: Stack, prefix: str) -> Any:
    return await replay_topics(
        stack.bootstrap_servers, prefix, room=None, check=True, emit=lambda _: None, progress=lambda *_: None
    )


async def test_a_replay_gives_the_committed_signals_over_a_kill_and_a_rebalance(
    stack: Stack, topic_prefix: str, start_worker: StartWorker
) -> None:
    await asyncio.to_thread(stack.apply_topics, topic_prefix, partitions=3)
    first = start_worker(hold_ms="5000")
    await first.until_ready(3)
    async with feeding(stack, topic_prefix, seed=71):
        await send(stack, topic_prefix, sale_events(6, 600, seed=1))
        await first.until_counted("stream_checkpoint_seconds_count", 6)
        first.kill()
        second = start_worker(hold_ms="5000")
        await second.until_ready(3)
        await send(stack, topic_prefix, sale_events(6, 300, seed=2))
        third = start_worker(hold_ms="5000")
        await third.until_ready()
        await second.until_counted("stream_checkpoint_seconds_count", 10)
        await third.until_counted("stream_checkpoint_seconds_count", 6)
    assert second.terminate() == 0
    await third.until_ready(3)
    assert third.terminate() == 0
    found = await check(stack, topic_prefix)
    assert found.differences == []
    assert found.unchecked == 0
    assert found.identical == found.documents > 100
    assert (found.kept.why_not, found.kept.differing) == ("", 0)
    assert found.kept.documents > 50

    # One room by the command, with its verdict; the last document is one of a sale that has a level.
    environment = {**stack.environment(), "SNAPUP_TOPIC_PREFIX": topic_prefix}
    arguments = ["replay", "--from-kafka", "room-1", "--check"]
    result = await asyncio.to_thread(CliRunner().invoke, app, arguments, env=environment)
    assert result.exit_code == 0, result.output
    assert "REPLAY-IDENTICAL" in result.output
    assert msgspec.json.decode(found.last["room-1"])["sales"]

    # And a log of which the beginning is gone says so.
    for topic in ("orders", "likes", "sales", "comments", "cart-adds", "visits"):
        await delete_records(stack, f"{topic_prefix}.{topic}")
    with pytest.raises(SnapupError, match=r"cannot be replayed.*begins at offset.*retention"):
        await check(stack, topic_prefix)
