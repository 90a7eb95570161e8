"""Workers of the first version are replaced one by one, while events come: nothing is lost, doubled or disturbed."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from stream.commands.claims import check_topics
from stream.commands.replay_kafka import replay_topics
from stream.contract.events import TOPIC_NAMES
from stream.settings import load_settings
from stream.verify.claim_check import RIGHT
from tests.integration.worker_process import assert_exact, feeding, send
from tests.support.old_version import FIRST_VERSION, code_of

if TYPE_CHECKING:
    from pathlib import Path

    from stream.local.stack import Stack
    from tests.integration.conftest import StartWorker
    from tests.integration.worker_process import Record

pytestmark = [pytest.mark.integration, pytest.mark.slow]

PARTITIONS = 6
ROOMS = 12


def words_of_rooms(show: str, *, broken: int = 0) -> list[Record]:
    """Rooms that say that they open, each twice, and of which nothing else is heard; and some records that are none."""
    records: list[Record] = []
    for number in range(ROOMS):
        room = f"{show}-{number}"
        event = {
            "type": "room_opened",
            "event_id": f"opened-{show}",
            "room_id": room,
            "event_time_ms": time.time_ns() // 1_000_000,
            "show_id": show,
        }
        records += [("interactions", room, msgspec.json.encode(event))] * 2
    return records + [("interactions", f"room-{number}", b"{broken") for number in range(broken)]


async def assert_replayed(stack: Stack, prefix: str) -> None:
    """The journal of both versions gives what both published."""
    found: Any = await replay_topics(
        stack.bootstrap_servers, prefix, room=None, check=True, emit=lambda _: None, progress=lambda *_: None
    )
    assert found.differences == []
    assert found.unchecked == 0
    assert found.identical == found.documents > 50
    assert (found.kept.why_not, found.kept.told) == ("", [])


async def assert_claims_right(stack: Stack, prefix: str) -> None:
    """Each claim of both versions follows from the log; also who watches where a newer worker took over."""
    settings = load_settings(bootstrap_servers=stack.bootstrap_servers, topic_prefix=prefix)
    tally, _ = await check_topics(settings)
    assert tally.told == []
    assert tally.of(RIGHT, "watching_now") > 50


async def test_partitions_move_between_the_versions_and_nothing_is_lost_or_counted_twice(
    stack: Stack, topic_prefix: str, start_worker: StartWorker, tmp_path: Path
) -> None:
    old = code_of(FIRST_VERSION, tmp_path / "old")
    await asyncio.to_thread(stack.apply_topics, topic_prefix, partitions=PARTITIONS)
    first, second = start_worker(code=old), start_worker(code=old)
    await first.until_ready()
    await second.until_ready()
    assert len((await second.until_said("partition taken over"))[0]["positions"]) == len(TOPIC_NAMES) - 1
    async with feeding(stack, topic_prefix, seed=31):
        await first.until_counted("stream_checkpoint_seconds_count", 3)
        first.kill()
        third = start_worker()
        await third.until_readiness(lambda body: body["ready"] and len(body["assigned"]) > 0)
        await third.until_counted("stream_checkpoint_seconds_count", 3)
        assert second.process.poll() is None
        assert third.terminate() == 0  # back to the old version
        await second.until_ready(PARTITIONS)
        await second.until_counted("stream_checkpoint_seconds_count", 10)
        fourth = start_worker()
        await fourth.until_readiness(lambda body: body["ready"] and len(body["assigned"]) > 0)
        assert second.terminate() == 0
        await fourth.until_ready(PARTITIONS)
        fifth = start_worker()
        await fifth.until_readiness(lambda body: body["ready"] and len(body["assigned"]) > 0)
    await assert_exact(stack, topic_prefix, fourth, fifth)

    async with feeding(stack, topic_prefix, seed=32):
        await send(stack, topic_prefix, words_of_rooms("evening", broken=5))
        await fifth.until_counted("stream_checkpoint_seconds_count", 4)
        fifth.kill()
        await fourth.until_ready(PARTITIONS)
        await send(stack, topic_prefix, words_of_rooms("night"))
    await assert_exact(stack, topic_prefix, fourth)
    await assert_replayed(stack, topic_prefix)
    await assert_claims_right(stack, topic_prefix)

    late = start_worker(code=old)
    assert await late.exit_code() == 74  # rather than lose what the rooms said
    assert "holds a checkpoint of version 2, this worker knows 1: run the newer Snapup" in late.text()
    await fourth.until_ready(PARTITIONS)
    await assert_exact(stack, topic_prefix, fourth)
