"""A platform's JSON lines through the bridge, a real Kafka and a worker, recounted."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tests.integration.worker_process import START, assert_exact
from tests.support.platforms.heard import fixture

if TYPE_CHECKING:
    from stream.local.stack import Stack
    from tests.integration.conftest import StartWorker

pytestmark = pytest.mark.integration

ROOM = "show"


def lines_of_now() -> bytes:
    """The invented room as if it were now, all of it heard twice, with a chat line that is an hour old between."""
    now_ms = time.time_ns() // 1_000_000
    messages = [msgspec.json.decode(line) for line in fixture("tiktok-node.ndjson")]
    for message in messages:
        message["common"]["createTime"] = str(now_ms + 2_000)
    old = msgspec.json.decode(fixture("tiktok-node.ndjson")[2])
    old["common"] |= {"msgId": "1", "createTime": str(now_ms - 3_600_000)}
    order = {
        "admin_graphql_api_id": "gid://shopify/Order/5",
        "currency": "CNY",
        "customer": None,
        "line_items": [{"id": 1, "variant_id": 2, "quantity": 3, "price": "10.00"}],
    }
    said = [*messages, old, *messages, {"topic": "orders/paid", "body": order}]
    return b"".join(msgspec.json.encode(message) + b"\n" for message in said)


def bridged(stack: Stack, prefix: str, platform: str, lines: bytes) -> dict[str, Any]:
    words = ["bridge", platform, "--room", ROOM, "--json", "--prefix", prefix]
    command = [sys.executable, "-c", START, *words, "--bootstrap-servers", stack.bootstrap_servers]
    done = subprocess.run(command, input=lines, capture_output=True, check=True)
    return dict(msgspec.json.decode(done.stdout))


async def test_a_room_of_a_platform_is_exact_on_screen(
    stack: Stack, topic_prefix: str, start_worker: StartWorker
) -> None:
    await asyncio.to_thread(stack.apply_topics, topic_prefix, partitions=2)
    worker = start_worker()
    lines = lines_of_now()
    tiktok, shop = await asyncio.gather(
        *(asyncio.to_thread(bridged, stack, topic_prefix, platform, lines) for platform in ("tiktok", "shopify"))
    )
    assert (tiktok["sent"], tiktok["acknowledged"], tiktok["refused"]) == (36, 36, 0)
    assert tiktok["reasons"] == {"ignored_kind": 3, "backlog": 1}
    assert (shop["acknowledged"], shop["reasons"]) == (1, {"ignored_kind": 37})
    await worker.until_ready(2)
    verdict = await assert_exact(stack, topic_prefix, worker)
    assert len(verdict.rooms) == 1
