"""The local stack with the real Kafka and Redis: it answers, survives what tests do to it, and leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from stream import topics
from stream.errors import SnapupError
from stream.local import kafka, kept
from stream.local import redis as local_redis
from stream.local.ports import LOOPBACK, is_free
from stream.local.process import ProcessId, wait_until
from stream.local.settings import LocalSettings
from stream.local.stack import Stack, local_stack

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import redis.asyncio

pytestmark = pytest.mark.integration

DEADLINE_S = 60.0
HOLDER = """
import pathlib, sys, time
from stream.local.stack import local_stack
with local_stack(with_topics=False) as stack:
    pathlib.Path(sys.argv[1]).write_text(f"{stack.kafka.port} {stack.redis.port} {stack.folder}\\n")
    time.sleep(600)
"""


def _children(pid: int) -> list[ProcessId]:
    """Every process below one, from /proc."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text("ascii", "replace").rpartition(")")[2].split()
        except OSError:  # it ended while we looked
            continue
        parents[int(stat.parent.name)] = int(fields[1])
    below = {pid}
    while more := {child for child, parent in parents.items() if parent in below} - below:
        below |= more
    return [ProcessId.of(child) for child in below - {pid}]


def _held_stack(tmp_path: Path) -> tuple[subprocess.Popen[bytes], list[ProcessId], list[int], Path]:
    """A process that holds a stack; it, what runs below it, its ports, its folder."""
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path / "up")])
    note = tmp_path / "up"
    assert wait_until(lambda: note.exists() and note.read_text().endswith("\n"), DEADLINE_S)
    kafka_port, redis_port, folder = note.read_text().split()
    below = _children(holder.pid)
    assert len(below) == 4  # two servers and their keepers
    return holder, below, [int(kafka_port), int(redis_port)], Path(folder)


def test_a_parent_killed_by_sigkill_leaves_no_server_behind(tmp_path: Path) -> None:
    holder, below, ports, folder = _held_stack(tmp_path)
    holder.kill()
    holder.wait()
    assert wait_until(lambda: not any(process.lives() for process in below), DEADLINE_S)
    assert all(is_free(port) for port in ports)
    assert folder.exists()  # nobody was left to remove it: the next stack does
    Stack().stop()
    assert not folder.exists()


def test_ctrl_c_ends_the_servers_and_removes_their_folder(tmp_path: Path) -> None:
    holder, below, ports, folder = _held_stack(tmp_path)
    holder.send_signal(signal.SIGINT)
    holder.wait(DEADLINE_S)
    assert not any(process.lives() for process in below)
    assert all(is_free(port) for port in ports)
    assert not folder.exists()


async def test_records_and_configuration_survive_kill_and_restart_and_redis_comes_back_empty(tmp_path: Path) -> None:
    async with local_stack(tmp_path / "data", with_topics=False) as stack:
        orders = "live.orders"
        stack.apply_topics(partitions=1)
        await _write(stack, orders, b"before")
        stack.redis.kill()
        stack.kafka.kill()
        assert not kafka.answers(stack.bootstrap_servers)
        assert not local_redis.answers(LOOPBACK, stack.redis.port)
        port = stack.kafka.port
        stack.kafka.restart()
        stack.redis.restart()
        assert stack.kafka.port == port
        await _write(stack, orders, b"after")
        assert await _read(stack, orders, 2) == [b"before", b"after"]
        assert local_redis.answers(LOOPBACK, stack.redis.port)
    assert (tmp_path / "data" / "kafka" / "data").is_dir()


async def _write(stack: Stack, topic: str, value: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=stack.bootstrap_servers, acks="all") as producer:
        await producer.send_and_wait(topic, value)


async def _read(stack: Stack, topic: str, count: int) -> list[bytes | None]:
    async with AIOKafkaConsumer(
        topic, bootstrap_servers=stack.bootstrap_servers, auto_offset_reset="earliest"
    ) as consumer:
        return [(await consumer.getone()).value for _ in range(count)]


async def test_a_paused_redis_does_not_answer_until_it_is_resumed(stack: Stack) -> None:
    stack.redis.pause()
    try:
        assert not local_redis.answers(LOOPBACK, stack.redis.port)
    finally:
        stack.redis.resume()
    assert local_redis.answers(LOOPBACK, stack.redis.port)


async def test_the_session_redis_is_bounded_and_keeps_nothing_on_disk(
    redis_client: redis.asyncio.Redis, stack: Stack
) -> None:
    found = await redis_client.config_get("maxmemory", "maxmemory-policy", "save", "appendonly", "bind")
    assert found == {
        "maxmemory": str(stack.settings.redis_maxmemory_mb * 1024**2),
        "maxmemory-policy": "allkeys-lfu",
        "save": "",
        "appendonly": "no",
        "bind": LOOPBACK,
    }


async def test_the_broker_keeps_transactions_and_topics_as_declared(
    stack: Stack, topic_prefix: str, apply_topics: Callable[..., Awaitable[dict[str, int]]]
) -> None:
    counts = await apply_topics(partitions=2)
    assert set(counts.values()) == {2}
    assert await topics.check(stack.bootstrap_servers, counts) == counts
    orders = f"{topic_prefix}.orders"
    async with (
        AIOKafkaProducer(bootstrap_servers=stack.bootstrap_servers, transactional_id=f"{topic_prefix}-0") as producer,
        producer.transaction(),
    ):
        record = await (await producer.send(orders, b"x", partition=1, timestamp_ms=1))
    assert record.timestamp > 1  # LogAppendTime: the broker's clock, not the producer's


def test_up_keeps_a_stack_and_down_ends_exactly_that_one(tmp_path: Path) -> None:
    settings = LocalSettings(state_dir=tmp_path, cache_dir=LocalSettings().cache_dir)
    started = kept.up(settings, partitions=1)
    try:
        assert [part.healthy for part in kept.health(started)] == [True, True]
        with pytest.raises(SnapupError, match="up already"):
            kept.up(settings)
        os.killpg(started.redis.process.pid, signal.SIGKILL)
        assert wait_until(lambda: not started.redis.process.lives(), DEADLINE_S)
        assert [part.healthy for part in kept.health(started)] == [True, False]
        with pytest.raises(SnapupError, match=r"up already \(Kafka in"):
            kept.up(settings)
    finally:
        ended = kept.down(settings)
    assert ended == ["Kafka"]
    assert [part.lives for part in kept.health(started)] == [False, False]
    again = kept.up(settings, partitions=1)
    try:
        assert again.environment() == started.environment()  # the same ports, and the topics were still there
    finally:
        assert kept.down(settings, wipe=True) == ["Kafka", "Redis"]
    assert not (kept.data_dir(settings) / "kafka").exists()
