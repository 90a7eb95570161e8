"""The history of a room from real workers: over a kill and a take-over, after a loss of Redis, as a reader gets it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from tests.integration.worker_process import DEADLINE_S, LOOK_S
from tests.support.serve import serving

if TYPE_CHECKING:
    import redis.asyncio

    from stream.local.stack import Stack
    from tests.integration.conftest import StartWorker
    from tests.support.serve import Client

pytestmark = pytest.mark.integration

ROOM = "room-1"
STEPS = 150  # of ten seconds: 25 minutes, so three chunks at least
AMOUNT = 9_900


async def send_steps(stack: Stack, prefix: str, from_ms: int, first: int, last: int) -> None:
    """One paid order for each step, at its own time.

    All are of one topic: with two, the log's clock would follow the one that is read first.
    """
    async with AIOKafkaProducer(bootstrap_servers=stack.bootstrap_servers, linger_ms=5) as producer:
        pending = []
        for step in range(first, last):
            at_ms = from_ms + 10_000 * step
            base: dict[str, Any] = {"room_id": ROOM, "user_id": f"u{step}", "event_time_ms": at_ms}
            line = {"sku_id": "coat", "quantity": 2, "amount_minor": AMOUNT, "sale_id": "s1"}
            order = {
                "type": "order",
                "event_id": f"o{step}",
                "order_id": f"o{step}",
                "status": "paid",
                "currency": "CNY",
            }
            value = msgspec.json.encode(base | order | {"lines": [line]})
            pending.append(await producer.send(f"{prefix}.orders", value, key=ROOM.encode(), timestamp_ms=at_ms))
        await asyncio.gather(*pending)


async def history(client: Client, orders: int) -> dict[str, Any]:
    """The history, once it has come to so many orders."""
    deadline_s = time.monotonic() + DEADLINE_S
    while True:
        response = await client.get(f"/v1/rooms/{ROOM}/history")
        found: dict[str, Any] = await response.json()
        if response.status == 200 and found["points"]["orders"][-1:] == [orders]:
            return found
        assert time.monotonic() < deadline_s, found
        await asyncio.sleep(LOOK_S)


async def test_the_history_survives_a_kill_and_a_loss_of_redis(
    stack: Stack,
    topic_prefix: str,
    apply_topics: Any,
    start_worker: StartWorker,
    redis_client: redis.asyncio.Redis,
) -> None:
    await apply_topics(partitions=2, timestamp_type="CreateTime")
    from_ms = (time.time_ns() // 1_000_000 - 7_200_000) // 10_000 * 10_000 + 5_000
    first = start_worker("--clock", "log")
    await first.until_ready(2)
    async with serving(stack.redis_url, topic_prefix=topic_prefix) as (_, client):
        await send_steps(stack, topic_prefix, from_ms, 0, 70)
        before = await history(client, 69)  # the last one waits for the end of its step
        await send_steps(stack, topic_prefix, from_ms, 70, 90)
        first.kill()
        await redis_client.flushall()
        second = start_worker("--clock", "log")
        await second.until_ready(2)
        await send_steps(stack, topic_prefix, from_ms, 90, STEPS)
        found = await history(client, STEPS - 1)
        points = found["points"]
        assert points["at_ms"] == [from_ms + 5_000 + 10_000 * step for step in range(STEPS - 1)]
        assert points["orders"] == points["payers"] == [*range(1, STEPS)]
        assert points["gmv_minor"] == [AMOUNT * count for count in range(1, STEPS)]
        assert points["units"] == [2 * count for count in range(1, STEPS)]
        assert all(points[name][:69] == column for name, column in before["points"].items())
        await redis_client.flushall()
        assert await history(client, STEPS - 1) == found
