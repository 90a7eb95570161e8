"""The words of hosts, emptied carts, units that stay away: real Kafka, Redis and worker, against plan and recount."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from typing import TYPE_CHECKING

import msgspec
import pytest

from stream.contract.overlay import Overlay, room_key
from stream.contract.reading import read_overlay
from stream.shows.outcome import unmet
from stream.shows.show import Expected
from tests.integration.test_dead_letters import snapup
from tests.integration.worker_process import DEADLINE_S, LOOK_S

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from stream.local.stack import Stack
    from tests.conftest import ApplyTopics
    from tests.integration.conftest import StartWorker
    from tests.integration.worker_process import WorkerProcess

pytestmark = pytest.mark.integration

PARTITIONS = 2
ROOM = "encore"
SPEED = "20"


class Looks:
    """What Redis showed of the room, in order."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis, self._key = redis, room_key(prefix, ROOM, "overlay")
        self.seen: list[Overlay] = []

    async def look(self) -> Overlay | None:
        """The document that is there."""
        found = await self._redis.get(self._key)
        overlay = None if found is None else read_overlay(found)
        if overlay is not None:
            self.seen.append(overlay)
        return overlay

    async def until_over(self, worker: WorkerProcess) -> Overlay:
        """The last document of the show."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            overlay = await self.look()
            session = None if overlay is None else overlay.session
            if overlay is not None and session is not None and session.show_id and session.ended_by:
                return overlay
            assert time.monotonic() < deadline, (overlay, worker.text()[-4_000:])
            await asyncio.sleep(LOOK_S)


async def test_a_show_in_which_everything_is_said_ends_as_planned_and_recounted_over_a_kill(
    stack: Stack, topic_prefix: str, apply_topics: ApplyTopics, redis_client: Redis, start_worker: StartWorker
) -> None:
    await apply_topics(PARTITIONS, "CreateTime")
    worker = start_worker(record_times="trusted", checkpoint_interval_ms="300")
    await worker.until_ready(PARTITIONS)
    looks = Looks(redis_client, topic_prefix)
    play = ("simulate", ROOM, "--seed", "5", "--speed", SPEED, "--json")
    show = asyncio.create_task(snapup(stack, topic_prefix, *play))
    was_killed = False
    while not show.done():
        overlay = await looks.look()
        if not was_killed and overlay is not None and any(sale.former is not None for sale in overlay.sales):
            # In the second round, with carts emptied and words taken back, some of it after the last checkpoint.
            worker.process.send_signal(signal.SIGKILL)
            worker.process.wait()
            worker, was_killed = start_worker(record_times="trusted"), True
        await asyncio.sleep(LOOK_S)
    out, _ = await show
    assert was_killed
    expected = msgspec.convert(json.loads(out)["expected"], Expected)
    last = await looks.until_over(worker)
    assert unmet(expected.rooms[0], last) == []
    assert last.session is not None
    assert last.session.show_id == "encore-5"
    # The recount counts from the log alone; the checker works every claim out again, and ends with 1 if one is wrong.
    audited, _ = await snapup(stack, topic_prefix, "audit")
    assert "ALL-ACCEPTED-COUNTED-ONCE" in audited
    await snapup(stack, topic_prefix, "claims", "check", "--from-kafka")
