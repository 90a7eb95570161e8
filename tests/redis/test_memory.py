"""A Redis that others fill: the worker says what is wrong with its memory policy, and notices what is dropped."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest
import structlog

from stream.local.doctor import examine
from stream.local.settings import LocalSettings
from tests.redis.conftest import Worker
from tests.redis.test_failover import eventually
from tests.support.redis_servers import RedisNode, running

if TYPE_CHECKING:
    from pathlib import Path

    from stream.local.packages import Program

pytestmark = [pytest.mark.integration, pytest.mark.slow]

MAY_DROP = "Redis may drop documents that are on screens"


def limited(folder: Path, program: Program, policy: str) -> RedisNode:
    return RedisNode(folder, program, {"maxmemory": "6mb", "maxmemory-policy": policy})


def fill(node: RedisNode) -> None:
    """More of others' keys than there is memory for, of an hour each."""
    with contextlib.closing(node.client()) as client:
        pipe = client.pipeline(transaction=False)
        for number in range(8_000):
            pipe.set(f"other:{number}", b"o" * 1_000, ex=3_600)
        pipe.execute()


async def test_documents_that_are_dropped_before_their_time_are_noticed(program: Program, tmp_path: Path) -> None:
    with (
        structlog.testing.capture_logs() as logs,
        running(limited(tmp_path / "redis", program, "volatile-ttl")) as node,
    ):
        async with Worker(node.url) as worker:
            await eventually(lambda: worker.projection.answers, "the first document")

            async def vanished() -> bool:
                await asyncio.to_thread(fill, node)
                return worker.counted("stream_redis_vanished_total") > 0

            await eventually(vanished, "the worker to notice")
            await eventually(lambda: any(line["event"] == MAY_DROP for line in logs), "the advice")
    (advice,) = {line["advice"] for line in logs if line["event"] == MAY_DROP}
    assert "volatile-ttl" in advice
    assert "allkeys-lfu" in advice
    assert [line for line in logs if line["event"].startswith("documents go before their time")]


async def test_a_policy_that_was_tried_is_not_complained_of(program: Program, tmp_path: Path) -> None:
    with (
        structlog.testing.capture_logs() as logs,
        running(limited(tmp_path / "redis", program, "allkeys-lfu")) as node,
    ):
        async with Worker(node.url) as worker:
            await eventually(lambda: worker.projection.answers, "the first document")
            await asyncio.sleep(0.2)
    assert [line for line in logs if line["event"] == MAY_DROP] == []


def test_the_doctor_looks_at_the_policy(program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(limited(tmp_path / "redis", program, "volatile-ttl")) as node:
        monkeypatch.setenv("SNAPUP_REDIS_URL", node.url)
        (found,) = [each for each in examine(LocalSettings()) if each.name == "configured Redis"]
        assert (found.ok, found.required) == (False, False)
        assert "volatile-ttl drops first what has least time to live" in found.remedy
        node.do("ACL", "SETUSER", "poller", "on", ">pw", "~live:v1:*", "+get")
        monkeypatch.setenv("SNAPUP_REDIS_URL", node.url.replace("://", "://poller:pw@"))
        (found,) = [each for each in examine(LocalSettings()) if each.name == "configured Redis"]
        assert found.ok
        assert "its memory policy cannot be seen (NOPERM" in found.detail
