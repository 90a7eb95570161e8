"""Files that nobody here wrote, the whole way: import → Kafka → worker → Redis, and the recount agrees."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from stream.cli import app
from tests.integration.worker_process import assert_books_balance, assert_exact

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from stream.local.stack import Stack
    from tests.integration.worker_process import WorkerProcess

pytestmark = pytest.mark.integration

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
FILES = [
    ("taobao", "taobao-user-behavior-10k.csv"),
    ("uci", "uci-online-retail-2011-11-11.csv"),
]


@pytest.mark.usefixtures("redis_client")
@pytest.mark.parametrize(("kind", "name"), FILES)
async def test_a_real_file_ends_in_redis_as_the_recount_has_it(
    stack: Stack,
    topic_prefix: str,
    apply_topics: Callable[..., Awaitable[Any]],
    start_worker: Callable[..., WorkerProcess],
    kind: str,
    name: str,
) -> None:
    file = DATA / name
    if not file.exists():
        pytest.skip(f"{name} is MISSING: the way of real files through Kafka was NOT checked")
    await apply_topics(partitions=4, timestamp_type="CreateTime")
    worker = start_worker("--clock", "log")
    words = ["import", kind, str(file), "--room", "shop", "--to", "kafka", "--prefix", topic_prefix]
    result = await asyncio.to_thread(CliRunner().invoke, app, [*words, "--bootstrap-servers", stack.bootstrap_servers])
    assert result.exit_code == 0, result.output
    await assert_exact(stack, topic_prefix, worker)
    await worker.until_counted("stream_received_total", 100)
    assert await worker.counted("stream_dead_letters_total") == 0
    await assert_books_balance(worker)
