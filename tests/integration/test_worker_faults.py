"""Pauses, a broker that is killed, a Redis that hangs: exact afterwards, and the committed log never goes back."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import pytest

from stream.local.stack import Stack, local_stack
from tests.integration.worker_process import (
    WorkerProcess,
    assert_books_balance,
    assert_exact,
    bad_records,
    feeding,
    send,
    shop_events,
)
from tests.support.redis_servers import FailoverPair

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.slow]

PREFIX = "live"


@pytest.fixture
def own_stack() -> Iterator[Stack]:
    """Servers that this test may kill."""
    with local_stack(with_topics=False) as stack:
        yield stack


async def test_a_paused_worker_that_wakes_up_changes_nothing(own_stack: Stack, tmp_path: Path) -> None:
    await asyncio.to_thread(own_stack.apply_topics, PREFIX, partitions=4)
    with (
        WorkerProcess(tmp_path / "zombie.log", own_stack, PREFIX) as zombie,
        WorkerProcess(tmp_path / "heir.log", own_stack, PREFIX) as heir,
    ):
        await zombie.until_ready(2)
        await heir.until_ready(2)
        async with feeding(own_stack, PREFIX, seed=21):
            await zombie.until_counted("stream_checkpoint_seconds_count", 4)
            zombie.process.send_signal(signal.SIGSTOP)
            await heir.until_ready(4)
            await heir.until_counted("stream_checkpoint_seconds_count", 12)
            zombie.process.send_signal(signal.SIGCONT)
            await zombie.until_ready(2)
        await assert_exact(own_stack, PREFIX, zombie, heir)
        await assert_books_balance(zombie)
        assert zombie.process.poll() is None


async def test_a_broker_that_is_killed_and_comes_back_costs_time_only(own_stack: Stack, tmp_path: Path) -> None:
    await asyncio.to_thread(own_stack.apply_topics, PREFIX, partitions=3)
    with WorkerProcess(tmp_path / "worker.log", own_stack, PREFIX) as worker:
        await worker.until_ready(3)
        await send(own_stack, PREFIX, shop_events(1_000, seed=22) + bad_records(10))
        await asyncio.to_thread(own_stack.kafka.kill)
        await asyncio.to_thread(own_stack.kafka.start)
        await send(own_stack, PREFIX, shop_events(1_000, seed=23) + bad_records(10))
        await assert_exact(own_stack, PREFIX, worker)
        await worker.until_ready(3)
        assert worker.terminate() == 0


async def test_a_broker_that_hangs_for_longer_than_a_transaction_may_take_costs_time_only(
    own_stack: Stack, tmp_path: Path
) -> None:
    await asyncio.to_thread(own_stack.apply_topics, PREFIX, partitions=3)
    with WorkerProcess(tmp_path / "worker.log", own_stack, PREFIX) as worker:
        await worker.until_ready(3)
        async with feeding(own_stack, PREFIX, seed=25):
            await worker.until_counted("stream_checkpoint_seconds_count", 4)
            own_stack.kafka.pause()
            await worker.until_said("partition lost", 3)
            own_stack.kafka.resume()
            await worker.until_ready(3)
        await assert_exact(own_stack, PREFIX, worker)
        await assert_books_balance(worker)


async def test_a_redis_that_hangs_delays_neither_fold_nor_checkpoint(own_stack: Stack, tmp_path: Path) -> None:
    await asyncio.to_thread(own_stack.apply_topics, PREFIX, partitions=2)
    with WorkerProcess(tmp_path / "worker.log", own_stack, PREFIX) as worker:
        await worker.until_ready(2)
        own_stack.redis.pause()
        try:
            await worker.until_readiness(lambda body: body["missing"] == ["Redis takes no documents"])
            await send(own_stack, PREFIX, shop_events(1_000, seed=24))
            await worker.until_counted("stream_received_total", 1_020)
            await worker.until_counted("stream_checkpoint_seconds_count", 2)
        finally:
            own_stack.redis.resume()
        await worker.until_ready(2)
        await assert_exact(own_stack, PREFIX, worker)


async def test_a_failover_of_redis_costs_a_moment_of_freshness_only(own_stack: Stack, tmp_path: Path) -> None:
    await asyncio.to_thread(own_stack.apply_topics, PREFIX, partitions=2)
    async with FailoverPair(tmp_path / "redis") as pair:
        with WorkerProcess(tmp_path / "worker.log", own_stack, PREFIX, redis_url=pair.url) as worker:
            await worker.until_ready(2)
            async with feeding(own_stack, PREFIX, seed=26):
                await worker.until_counted("stream_redis_writes_total", 20)
                await asyncio.to_thread(pair.fail_over)
                await worker.until_said("Redis takes documents")
                accepted = await worker.counted("stream_redis_writes_total")
                await worker.until_counted("stream_redis_writes_total", accepted + 20)
            await assert_exact(own_stack, PREFIX, worker, redis_url=pair.url)
            (said,) = worker.lines("Redis does not take documents; folding goes on, overlays will go stale")
            assert "READONLY" in said["error"]
            await worker.until_ready(2)


async def test_the_process_goes_within_its_time_even_if_kafka_is_gone(own_stack: Stack, tmp_path: Path) -> None:
    await asyncio.to_thread(own_stack.apply_topics, PREFIX, partitions=1)
    with WorkerProcess(tmp_path / "worker.log", own_stack, PREFIX, stop_timeout_ms="4000") as worker:
        await worker.until_ready(1)
        await asyncio.to_thread(own_stack.kafka.kill)
        assert worker.terminate() in (0, 77)
