"""Producers' transactions: what was aborted never counts, what is open holds up its own topic partition alone."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from stream.commands.replay_kafka import replay_topics
from tests.integration.worker_process import assert_exact

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stream.local.stack import Stack
    from tests.conftest import ApplyTopics
    from tests.integration.conftest import StartWorker
    from tests.integration.worker_process import WorkerProcess

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ROOM = "room-1"


def event(name: str, **more: Any) -> bytes:
    told = {"event_id": name, "room_id": ROOM, "event_time_ms": time.time_ns() // 1_000_000, "user_id": "u1"}
    return msgspec.json.encode({**told, **more})


def paid(name: str) -> bytes:
    line = {"sku_id": "k1", "quantity": 1, "amount_minor": 100}
    return event(name, type="order", order_id=name, status="paid", currency="CNY", lines=[line])


@asynccontextmanager
async def producer(stack: Stack, transactional_id: str | None = None) -> AsyncIterator[AIOKafkaProducer]:
    made = AIOKafkaProducer(
        bootstrap_servers=stack.bootstrap_servers, transactional_id=transactional_id, transaction_timeout_ms=600_000
    )
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


async def send(made: AIOKafkaProducer, prefix: str, topic: str, *values: bytes) -> None:
    for value in values:
        await made.send_and_wait(f"{prefix}.{topic}", value, key=ROOM.encode(), partition=0)


async def metric(worker: WorkerProcess, name: str) -> float:
    _, text = await worker.get("/metrics")
    return next((float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name)), -1)


async def test_only_committed_records_count_and_an_open_transaction_holds_up_its_own_topic_alone(
    stack: Stack, topic_prefix: str, apply_topics: ApplyTopics, start_worker: StartWorker
) -> None:
    await apply_topics(partitions=1)
    worker = start_worker()
    await worker.until_ready(1)
    async with producer(stack, f"{topic_prefix}-shop") as shop, producer(stack) as others:
        await shop.begin_transaction()
        await send(shop, topic_prefix, "orders", *(paid(f"aborted-{number}") for number in range(5)))
        await shop.abort_transaction()
        await shop.begin_transaction()
        await send(shop, topic_prefix, "orders", paid("committed"))
        await shop.commit_transaction()
        # The log ends with a marker, which nobody folds: what is saved never reaches the log's end.
        verdict = await assert_exact(stack, topic_prefix, worker)
        assert verdict.accounts.received == verdict.accounts.applied == 1

        await shop.begin_transaction()
        await send(shop, topic_prefix, "orders", paid("open"))
        await send(others, topic_prefix, "orders", paid("behind"))
        began = time.monotonic()
        await send(others, topic_prefix, "likes", *(event(f"l{n}", type="like", count=1) for n in range(10)))
        name = f'stream_open_transaction_seconds{{partition="0",topic="{topic_prefix}.orders"}}'
        while await metric(worker, name) <= 0:
            assert time.monotonic() - began < 60
            await asyncio.sleep(0.05)
        verdict = await assert_exact(stack, topic_prefix, worker)
        assert verdict.accounts.applied == 11
        # A take-over in the midst of it publishes all the same: what is not committed is nothing to wait for.
        worker.kill()
        heir = start_worker()
        await heir.until_ready(1)
        await send(others, topic_prefix, "likes", event("after", type="like", count=1))
        verdict = await assert_exact(stack, topic_prefix, heir)
        assert verdict.accounts.applied == 12
        await shop.commit_transaction()
        verdict = await assert_exact(stack, topic_prefix, heir)
        assert verdict.accounts.applied == 14
        while await metric(heir, name) != 0:
            assert time.monotonic() - began < 120
            await asyncio.sleep(0.05)
    replayed = await replay_topics(
        stack.bootstrap_servers, topic_prefix, room=None, check=True, emit=lambda _: None, progress=lambda *_: None
    )
    assert replayed.differences == []
    assert replayed.identical > 0
