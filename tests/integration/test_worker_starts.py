"""A worker that cannot start, or must not go on, says in one line why, and what to do."""

from __future__ import annotations

import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from stream.exits import Exit
from stream.local.ports import free_ports
from tests.integration.worker_process import (
    add_partitions,
    apply_topic,
    delete_records,
    delete_topic,
    send,
    send_raw,
    shop_events,
    until,
)

if TYPE_CHECKING:
    from stream.local.stack import Stack
    from tests.integration.conftest import StartWorker
    from tests.integration.worker_process import WorkerProcess

pytestmark = pytest.mark.integration


async def a_busy_worker(
    stack: Stack, topic_prefix: str, start_worker: StartWorker, *, partitions: int, seed: int
) -> WorkerProcess:
    """A worker that has counted what a shop sent."""
    worker = start_worker()
    await worker.until_ready(partitions)
    await send(stack, topic_prefix, shop_events(100, seed=seed))
    await worker.until_counted("stream_received_total", 102)
    return worker


async def test_without_kafka_it_says_what_to_do(start_worker: StartWorker) -> None:
    (port,) = free_ports(1)
    worker = start_worker("--bootstrap-servers", f"127.0.0.1:{port}")
    assert await worker.exit_code() == 1
    assert f"Kafka does not answer at 127.0.0.1:{port}" in worker.text()
    assert "snapup stack up" in worker.text()
    assert "Traceback" not in worker.text()


async def test_missing_topics_are_named(start_worker: StartWorker, topic_prefix: str) -> None:
    worker = start_worker()
    assert await worker.exit_code() == 1
    assert f"{topic_prefix}.comments" in worker.text()
    assert "snapup topics apply" in worker.text()


async def test_topics_of_different_partition_counts_are_named(
    stack: Stack, topic_prefix: str, apply_topics: Any, start_worker: StartWorker
) -> None:
    await apply_topics(partitions=2)
    await delete_topic(stack, f"{topic_prefix}.orders")
    await apply_topic(stack, topic_prefix, "orders", partitions=3)
    worker = start_worker()
    assert await worker.exit_code() == 1
    assert f"{topic_prefix}.orders has 3" in worker.text()


async def test_a_port_in_use_is_named(apply_topics: Any, start_worker: StartWorker) -> None:
    await apply_topics(partitions=1)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        worker = start_worker("--metrics-port", str(port))
        assert await worker.exit_code() == 1
    assert f"Port {port} on 127.0.0.1 is in use" in worker.text()
    assert "Traceback" not in worker.text()


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux says what a process has loaded")
async def test_what_the_first_large_room_needs_is_loaded_before_that_room_comes(
    apply_topics: Any, start_worker: StartWorker
) -> None:
    await apply_topics(partitions=1)
    worker = start_worker()
    await worker.until_ready(1)
    loaded = Path(f"/proc/{worker.process.pid}/maps")
    await until(lambda: "_datasketches" in loaded.read_text(), "the library of sketches")


async def test_records_that_were_deleted_before_they_were_folded_end_the_process(
    stack: Stack, topic_prefix: str, apply_topics: Any, start_worker: StartWorker
) -> None:
    await apply_topics(partitions=1)
    first = start_worker()
    await first.until_ready(1)
    await send(stack, topic_prefix, shop_events(100, seed=10))
    await first.until_counted("stream_received_total", 102)
    assert first.terminate() == 0
    await send(stack, topic_prefix, shop_events(100, seed=11))
    await delete_records(stack, f"{topic_prefix}.orders")
    second = start_worker()
    assert await second.exit_code() == 73
    assert f"DATA LOSS: {topic_prefix}.orders, partition 0" in second.text()
    third = start_worker("--accept-data-loss")
    await third.until_ready(1)
    await third.until_counted("stream_received_total", 50)
    assert third.terminate() == 0


async def test_a_topic_that_was_made_anew_ends_the_process(
    stack: Stack, topic_prefix: str, apply_topics: Any, start_worker: StartWorker
) -> None:
    await apply_topics(partitions=1)
    first = start_worker()
    await first.until_ready(1)
    await send(stack, topic_prefix, shop_events(100, seed=12))
    await first.until_counted("stream_received_total", 102)
    assert first.terminate() == 0
    await delete_topic(stack, f"{topic_prefix}.orders")
    await apply_topic(stack, topic_prefix, "orders", partitions=1)
    second = start_worker()
    assert await second.exit_code() == 73
    assert f"DATA LOSS: {topic_prefix}.orders, partition 0, ends at 0" in second.text()


async def test_a_topic_that_is_made_anew_under_a_running_worker_ends_it(
    stack: Stack, topic_prefix: str, apply_topics: Any, start_worker: StartWorker
) -> None:
    await apply_topics(partitions=1)
    worker = await a_busy_worker(stack, topic_prefix, start_worker, partitions=1, seed=14)
    await delete_topic(stack, f"{topic_prefix}.orders")
    await apply_topic(stack, topic_prefix, "orders", partitions=1)
    # Whichever it notices first: that its offset lies beyond the log, or that for a moment there was no such topic.
    said = {
        73: f"DATA LOSS: {topic_prefix}.orders, partition 0, ends at 0",
        70: f"its topic {topic_prefix}.orders, folded",
    }
    assert said[await worker.exit_code()] in worker.text()
    assert "--accept-data-loss" in worker.text()


async def test_records_that_are_deleted_ahead_of_a_running_worker_end_it(
    stack: Stack, topic_prefix: str, apply_topics: Any, start_worker: StartWorker
) -> None:
    await apply_topics(partitions=1)
    worker = await a_busy_worker(stack, topic_prefix, start_worker, partitions=1, seed=15)
    worker.process.send_signal(signal.SIGSTOP)
    await send(stack, topic_prefix, shop_events(1_000, seed=16))
    await delete_records(stack, f"{topic_prefix}.orders")
    worker.process.send_signal(signal.SIGCONT)
    assert await worker.exit_code() == 73
    assert f"DATA LOSS: {topic_prefix}.orders, partition 0, begins at" in worker.text()


@pytest.mark.slow
async def test_a_topic_that_is_deleted_under_a_running_worker_ends_it(
    stack: Stack, topic_prefix: str, apply_topics: Any, start_worker: StartWorker
) -> None:
    await apply_topics(partitions=1)
    worker = await a_busy_worker(stack, topic_prefix, start_worker, partitions=1, seed=17)
    await delete_topic(stack, f"{topic_prefix}.comments")
    assert await worker.exit_code() == 70
    assert f"Partition 0 was assigned without its topic {topic_prefix}.comments, folded to" in worker.text()
    assert "Was the topic deleted?" in worker.text()


async def test_a_checkpoint_that_is_not_ours_is_refused(
    stack: Stack, topic_prefix: str, apply_topics: Any, start_worker: StartWorker
) -> None:
    await apply_topics(partitions=1)
    await send_raw(stack, f"{topic_prefix}.checkpoints", b"m", b"not ours")
    worker = start_worker()
    assert await worker.exit_code() == 74
    assert f"{topic_prefix}.checkpoints, partition 0, holds a meta record that is not ours" in worker.text()


@pytest.mark.slow
async def test_a_topic_that_is_given_more_partitions_ends_the_process_and_its_successor(
    stack: Stack, topic_prefix: str, apply_topics: Any, start_worker: StartWorker
) -> None:
    await apply_topics(partitions=2)
    worker = await a_busy_worker(stack, topic_prefix, start_worker, partitions=2, seed=13)
    await add_partitions(stack, topic_prefix, 3)
    assert await worker.exit_code() == 74
    assert "has 3 partitions now, 2 when this worker started" in worker.text()
    successor = start_worker()
    assert await successor.exit_code() == 74
    assert "The topics have 3 partitions, but the checkpoint of partition" in successor.text()


@pytest.mark.slow
async def test_of_two_processes_with_one_static_name_one_ends_and_says_so(
    apply_topics: Any, start_worker: StartWorker
) -> None:
    await apply_topics(partitions=2)
    both = [start_worker(member_name="same")]
    await both[0].until_ready(2)
    both.append(start_worker(member_name="same"))
    await until(lambda: any(each.process.poll() is not None for each in both), "the end of one", both[1])
    (ended, *_) = [each for each in both if each.process.poll() is not None]
    # The broker answers UNKNOWN to one that is replaced while it joins for the first time: no war is to be seen yet.
    assert ended.process.returncode in {Exit.DUPLICATE_MEMBER, Exit.CONSUMER_FAILED}, ended.text()
    assert "wo processes have the member name same" in ended.text()


async def test_a_checkpoint_of_a_newer_version_is_refused(
    stack: Stack, topic_prefix: str, apply_topics: Any, start_worker: StartWorker
) -> None:
    await apply_topics(partitions=1)
    await send_raw(stack, f"{topic_prefix}.checkpoints", b"m", b'{"version":99}')
    worker = start_worker()
    assert await worker.exit_code() == 74
    assert "checkpoint of version 99, this worker knows 2" in worker.text()
