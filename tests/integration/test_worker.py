"""Workers on real Kafka and Redis: exact after kill -9, hand-over, rebalance, and without or with a wiped Redis."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from stream.contract.overlay import room_key
from stream.local.ports import free_ports
from stream.local.redis import RedisServer
from tests.integration.worker_process import (
    assert_books_balance,
    assert_exact,
    bad_records,
    feeding,
    send,
    shop_events,
)

if TYPE_CHECKING:
    from pathlib import Path

    import redis.asyncio

    from stream.local.stack import Stack
    from tests.integration.conftest import StartWorker

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
async def _empty_redis(redis_client: redis.asyncio.Redis) -> None:
    """Every test begins with an empty Redis."""


async def test_what_was_sent_is_counted_once_and_shown(
    stack: Stack, topic_prefix: str, apply_topics: Any, start_worker: StartWorker
) -> None:
    await apply_topics(partitions=3)
    worker = start_worker()
    await worker.until_ready(3)
    await send(stack, topic_prefix, shop_events(2_000, seed=1) + bad_records(20))
    await assert_exact(stack, topic_prefix, worker)
    await assert_books_balance(worker)
    assert await worker.counted("stream_received_total") == 2_060
    assert (await worker.get("/healthz"))[0] == 200
    assert await worker.counted("stream_visible_latency_seconds_count") > 0
    assert worker.terminate() == 0


async def test_a_killed_worker_loses_and_doubles_nothing(
    stack: Stack, topic_prefix: str, apply_topics: Any, start_worker: StartWorker
) -> None:
    await apply_topics(partitions=3)
    async with feeding(stack, topic_prefix, seed=2):
        for _ in range(3):
            worker = start_worker("--member-name", "worker-0")
            await worker.until_ready(3)
            await worker.until_counted("stream_checkpoint_seconds_count", 3)
            worker.kill()
        worker = start_worker("--member-name", "worker-0")
    await assert_exact(stack, topic_prefix, worker)
    await assert_books_balance(worker)


async def test_sigterm_hands_over_so_that_nothing_is_read_twice(
    stack: Stack, topic_prefix: str, apply_topics: Any, start_worker: StartWorker
) -> None:
    await apply_topics(partitions=2)
    first = start_worker()
    await first.until_ready(2)
    await send(stack, topic_prefix, shop_events(500, seed=3))
    await first.until_counted("stream_received_total", 510)
    assert first.terminate() == 0
    assert first.lines("handed over")[0]["saved"] is True
    second = start_worker()
    await second.until_ready(2)
    await assert_exact(stack, topic_prefix, second)
    assert await second.counted("stream_received_total") == 0
    assert [line["epoch"] for line in second.lines("partition taken over")] == [2, 2]


async def test_a_wiped_redis_is_whole_again(
    stack: Stack,
    topic_prefix: str,
    apply_topics: Any,
    start_worker: StartWorker,
    redis_client: redis.asyncio.Redis,
) -> None:
    await apply_topics(partitions=2)
    worker = start_worker()
    await worker.until_ready(2)
    await send(stack, topic_prefix, shop_events(1_000, seed=4))
    await assert_exact(stack, topic_prefix, worker)
    await redis_client.flushall()
    await assert_exact(stack, topic_prefix, worker)
    assert len(worker.lines("projecting all rooms anew")) == 1
    # And the script is loaded anew as well.
    await redis_client.script_flush()
    await redis_client.flushall()
    await send(stack, topic_prefix, shop_events(300, seed=5))
    await assert_exact(stack, topic_prefix, worker)


async def test_without_redis_it_folds_and_saves_and_is_ready_when_redis_comes(
    stack: Stack, topic_prefix: str, apply_topics: Any, start_worker: StartWorker, tmp_path: Path
) -> None:
    await apply_topics(partitions=2)
    (port,) = free_ports(1)
    worker = start_worker("--redis-url", f"redis://127.0.0.1:{port}/0")
    body = await worker.until_readiness(lambda body: body["missing"] == ["Redis takes no documents"])
    assert body["partitions"]["live"] == 2
    await send(stack, topic_prefix, shop_events(500, seed=6))
    await worker.until_counted("stream_received_total", 510)
    await worker.until_counted("stream_checkpoint_seconds_count", 2)
    late = RedisServer(tmp_path / "redis", stack.settings, port=port)
    await asyncio.to_thread(late.start)
    try:
        await worker.until_ready(2)
        await worker.until_counted("stream_redis_writes_total", 12)
    finally:
        await asyncio.to_thread(late.stop)
    await worker.until_readiness(lambda body: body["missing"] == ["Redis takes no documents"])
    await send(stack, topic_prefix, shop_events(300, seed=7))
    await worker.until_counted("stream_received_total", 816)
    assert worker.terminate() == 0


async def test_two_workers_share_the_partitions_and_a_rebalance_is_exact(
    stack: Stack, topic_prefix: str, apply_topics: Any, start_worker: StartWorker
) -> None:
    await apply_topics(partitions=6)
    async with feeding(stack, topic_prefix, seed=8):
        first = start_worker()
        await first.until_ready(6)
        second = start_worker()
        shares = await second.until_ready(3), await first.until_ready(3)
        assert sorted(shares[0]["assigned"] + shares[1]["assigned"]) == list(range(6))
        assert await asyncio.to_thread(second.terminate) == 0
        await first.until_ready(6)
        third = start_worker()
        await third.until_ready(3)
        third.kill()
    await assert_exact(stack, topic_prefix, first)
    await assert_books_balance(first)


async def test_the_logs_clock_shows_imported_history_as_of_its_own_end(
    stack: Stack, topic_prefix: str, apply_topics: Any, start_worker: StartWorker
) -> None:
    await apply_topics(partitions=2, timestamp_type="CreateTime")
    worker = start_worker("--clock", "log")
    await worker.until_ready(2)
    assert worker.lines(
        "record timestamps are the producers' word (CreateTime): right for imports and replays, not for live shows"
    )
    await send(stack, topic_prefix, shop_events(500, seed=9))
    await assert_exact(stack, topic_prefix, worker)
    assert await worker.counted("stream_visible_latency_seconds_count") == 0


async def test_one_producer_s_fast_clock_moves_nobody_else_s_room(
    stack: Stack, topic_prefix: str, apply_topics: Any, start_worker: StartWorker, redis_client: redis.asyncio.Redis
) -> None:
    """On CreateTime topics a like half an hour ahead ended every sale of its partition, and released all holds."""
    await apply_topics(partitions=1, timestamp_type="CreateTime")
    now_ms = time.time_ns() // 1_000_000
    ahead_ms = now_ms + 30 * 60_000

    def event(kind: str, room: str, at_ms: int, **fields: Any) -> bytes:
        told = {"type": kind, "event_id": f"{kind}-{room}-{at_ms}", "room_id": room, "event_time_ms": at_ms}
        return msgspec.json.encode(told | fields)

    sale = {"sale_id": "s1", "sku_id": "k1", "offered": 100, "starts_at_ms": now_ms, "ends_at_ms": now_ms + 600_000}
    line = {"sku_id": "k1", "quantity": 1, "amount_minor": 100, "sale_id": "s1"}
    order = {"user_id": "u1", "order_id": "o1", "status": "placed", "currency": "CNY", "lines": [line]}
    producer = AIOKafkaProducer(bootstrap_servers=stack.bootstrap_servers)
    worker = start_worker()
    await worker.until_ready(1)
    async with producer:
        for topic, room, at_ms, value in (
            ("sales", "good", now_ms, event("sale_opened", "good", now_ms, **sale)),
            ("orders", "good", now_ms, event("order", "good", now_ms, **order)),
            ("likes", "fast", ahead_ms, event("like", "fast", ahead_ms, user_id="u2", count=1)),
            ("likes", "good", now_ms, event("like", "good", now_ms, user_id="u2", count=1)),
        ):
            name = f"{topic_prefix}.{topic}"
            await producer.send_and_wait(name, value, key=room.encode(), timestamp_ms=at_ms)
    await worker.until_counted("stream_received_total", 4)
    await assert_exact(stack, topic_prefix, worker)
    assert await worker.counted('stream_dead_letters_total{reason="ahead_of_clock"}') == 1
    document = await redis_client.get(room_key(topic_prefix, "good", "overlay"))
    assert document is not None
    overlay = msgspec.json.decode(document)
    assert overlay["totals"]["likes"] == 1
    assert overlay["sales"][0]["status"] == "open"
    assert overlay["sales"][0]["held"] == 1 or overlay["as_of_ms"] >= now_ms + 60_000
    assert overlay["clock"]["lag_ms"] >= 0
    assert overlay["as_of_ms"] < ahead_ms
