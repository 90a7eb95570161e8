"""Topics that are made anew, or take less than before, under a live worker: it ends, says why, and loses nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from stream.exits import Exit
from tests.integration.worker_process import admin_of, apply_topic, delete_topic, send, shop_events, until

if TYPE_CHECKING:
    import redis.asyncio

    from stream.local.stack import Stack
    from tests.integration.conftest import StartWorker

pytestmark = pytest.mark.integration


async def test_a_checkpoint_topic_that_is_made_anew_is_noticed_at_once_and_at_every_start(
    stack: Stack, topic_prefix: str, apply_topics: Any, start_worker: StartWorker, redis_client: redis.asyncio.Redis
) -> None:
    await apply_topics(1)
    worker = start_worker()
    await worker.until_ready(1)
    await send(stack, topic_prefix, shop_events(300, seed=31, rooms=20))
    await worker.until_counted("stream_received_total", 306)
    await worker.until_counted("stream_checkpoint_seconds_count", 1)
    await delete_topic(stack, f"{topic_prefix}.checkpoints")
    await apply_topic(stack, topic_prefix, "checkpoints", partitions=1)
    await send(stack, topic_prefix, shop_events(7, seed=32))
    assert await worker.exit_code() == Exit.DATA_LOSS
    assert f"DATA LOSS: {topic_prefix}.checkpoints, partition 0, has gone back" in worker.text()
    for _ in range(2):
        again = start_worker()
        assert await again.exit_code() == Exit.DATA_LOSS
        assert "holds no state, but an owner was there before" in again.text()
    await redis_client.flushall()
    accepting = start_worker("--accept-data-loss")
    await accepting.until_counted("stream_received_total", 306 + 8)
    assert await accepting.counted("stream_rooms") == 20
    assert accepting.terminate() == 0
    ordinary = start_worker()
    await ordinary.until_ready(1)
    assert await ordinary.counted("stream_rooms") == 20


@pytest.mark.parametrize("name", ["journal", "signals"])
async def test_another_output_that_is_made_anew_ends_the_worker_once(
    stack: Stack, topic_prefix: str, apply_topics: Any, start_worker: StartWorker, name: str
) -> None:
    await apply_topics(1)
    worker = start_worker()
    await worker.until_ready(1)
    await send(stack, topic_prefix, shop_events(100, seed=33))
    await worker.until_counted("stream_received_total", 102)
    await worker.until_counted("stream_checkpoint_seconds_count", 1)
    await delete_topic(stack, f"{topic_prefix}.{name}")
    await apply_topic(stack, topic_prefix, name, partitions=1)
    await send(stack, topic_prefix, shop_events(50, seed=34))
    assert await worker.exit_code() == Exit.DATA_LOSS
    assert f"DATA LOSS: {topic_prefix}.{name}, partition 0, has gone back" in worker.text()
    again = start_worker()
    await again.until_ready(1)
    await again.until_counted("stream_received_total", 1)


async def test_a_topic_that_takes_less_than_before_is_named_with_what_it_must_take(
    stack: Stack, topic_prefix: str, apply_topics: Any, start_worker: StartWorker
) -> None:
    await apply_topics(1)
    worker = start_worker()
    await worker.until_ready(1)
    async with admin_of(stack) as admin:
        # At 20 kB not one checkpoint of these rooms fits; at the brokers' usual 1 MiB it takes some thousand rooms.
        limits = {"max.message.bytes": "20000", "cleanup.policy": "compact"}
        topic = ConfigResource(ConfigResourceType.TOPIC, f"{topic_prefix}.checkpoints", limits)
        await admin.alter_configs([topic])
    await send(stack, topic_prefix, shop_events(2_000, seed=35, rooms=100))
    assert await worker.exit_code() == Exit.KAFKA_REFUSES
    said = f"{topic_prefix}.checkpoints has max.message.bytes=20000, it must be at least"
    assert said in worker.lines()[-1]["event"]
    again = start_worker()
    await until(lambda: again.process.poll() is not None, "its end", again)
    assert again.process.returncode == 1
    assert said in again.text()
