"""A platform's JSON lines through the bridge, a real Kafka and a worker, recounted."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from stream.commands.replay_kafka import replay_topics
from tests.integration.test_ingest import Process
from tests.integration.worker_process import START, assert_exact
from tests.support.platforms.heard import fixture

if TYPE_CHECKING:
    from pathlib import Path

    from stream.local.stack import Stack
    from tests.integration.conftest import StartWorker

pytestmark = pytest.mark.integration

ROOM = "show"


def lines_of_now() -> bytes:
    """The invented room as if it were now, all of it heard twice, with a chat line that is an hour old between.

    Each line says when it was heard, so that nothing depends on how long a bridge takes to start.
    """
    now_ms = time.time_ns() // 1_000_000
    messages = [msgspec.json.decode(line) for line in fixture("tiktok-node.ndjson")]
    for message in messages:
        message["common"]["createTime"] = str(now_ms)
    old = msgspec.json.decode(fixture("tiktok-node.ndjson")[2])
    old["common"] |= {"msgId": "1", "createTime": str(now_ms - 3_600_000)}
    order = {
        "admin_graphql_api_id": "gid://shopify/Order/5",
        "currency": "CNY",
        "customer": None,
        "line_items": [{"id": 1, "variant_id": 2, "quantity": 3, "price": "10.00"}],
    }
    said = [*messages, old, *messages, {"topic": "orders/paid", "body": order}]
    return b"".join(msgspec.json.encode(message | {"received_at": now_ms}) + b"\n" for message in said)


def bridged(platform: str, lines: Path, *where: str) -> dict[str, Any]:
    command = [sys.executable, "-c", START, "bridge", platform, str(lines), "--room", ROOM, "--json", *where]
    done = subprocess.run(command, capture_output=True, check=True)
    return dict(msgspec.json.decode(done.stdout))


async def test_a_room_of_a_platform_is_exact_on_screen(
    stack: Stack, topic_prefix: str, start_worker: StartWorker, tmp_path: Path
) -> None:
    """The platform's lines go to Kafka, the shop's through the gateway."""
    await asyncio.to_thread(stack.apply_topics, topic_prefix, partitions=2)
    worker = start_worker()
    lines = tmp_path / "lines.ndjson"
    lines.write_bytes(lines_of_now())
    ingest = Process(tmp_path, stack.bootstrap_servers, topic_prefix)
    try:
        kafka = ["--prefix", topic_prefix, "--bootstrap-servers", stack.bootstrap_servers]
        tiktok, shop = await asyncio.gather(
            asyncio.to_thread(bridged, "tiktok", lines, *kafka),
            asyncio.to_thread(bridged, "shopify", lines, "--to", await ingest.top()),
        )
    finally:
        ingest.kill()
    assert (tiktok["sent"], tiktok["acknowledged"], tiktok["refused"]) == (36, 36, 0)
    assert tiktok["reasons"] == {"ignored_kind": 3, "backlog": 1}
    assert (shop["acknowledged"], shop["reasons"]) == (1, {"ignored_kind": 37})
    await worker.until_ready(2)
    await assert_exact(stack, topic_prefix, worker)
    replayed = await replay_topics(
        stack.bootstrap_servers, topic_prefix, room=None, check=True, emit=lambda _: None, progress=lambda *_: None
    )
    assert replayed.differences == []
    (document,) = map(msgspec.json.decode, replayed.last.values())
    totals = document["totals"]
    assert (totals["comments"], totals["likes"], totals["orders"]["paid"]) == (2, 15, 1)
    assert (document["gifts"]["coins"], document["gifts"]["gifts"]) == (5 + 3 + 500, 5 + 3 + 1)
    assert (document["follows"]["gained"], document["shares"]["shares"]) == (1, 1)
