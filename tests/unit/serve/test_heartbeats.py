"""Workers as the server hears them: who counts, who does not, and when nothing is known."""

from __future__ import annotations

import fnmatch
import math
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from stream.contract.heartbeat import Heartbeat, Pipeline, PipelineState, heartbeat_key
from stream.serve import heartbeats as module
from stream.serve.heartbeats import COMING_BACK_S, SCAN_EVERY_S, SCAN_SOON_S, SILENT_S, Heartbeats
from stream.serve.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NOW_MS = 1_700_000_000_000


class RedisTwin:
    """Keys, and a count of the scans."""

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {"live:v1:{room:a}:overlay": b"{}"}
        self.away = False
        self.scans = 0
        self.reads: list[int] = []

    def put(self, name: str, at_ms: int, folds: list[int], of: int = 2) -> None:
        self.keys[heartbeat_key("live", name)] = msgspec.json.encode(Heartbeat(at_ms, folds, of))

    def remove(self, name: str) -> None:
        del self.keys[heartbeat_key("live", name)]

    async def scan(self, match: str, count: int) -> AsyncIterator[list[bytes]]:
        del count
        if self.away:
            raise RedisConnectionError
        self.scans += 1
        for key in self.keys:
            if fnmatch.fnmatchcase(key, match):
                yield [key.encode()]

    async def batch(self, commands: list[tuple[str, str]]) -> list[Any]:
        if self.away:
            raise RedisConnectionError
        self.reads.append(len(commands))
        return [self.keys.get(key) for _, key in commands]

    def words(self, error: BaseException) -> str:
        return str(error)


class World:
    """A server's ear, with a clock that the test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.redis, self.metrics, self.now_s = RedisTwin(), Metrics(), 1_000.0
        monkeypatch.setattr(module, "time", self)
        redis: Any = self.redis
        self.heartbeats = Heartbeats(redis, "live", self.metrics, lambda: NOW_MS + round(self.now_s * 1000))
        self.changes: list[PipelineState | None] = []
        self.heartbeats.on_change = lambda: self.changes.append(self.heartbeats.state)

    def monotonic(self) -> float:
        return self.now_s

    async def look(self, after_s: float = 1.0) -> Pipeline | None:
        self.now_s += after_s
        await self.heartbeats.look()
        return self.heartbeats.pipeline

    async def looks(self, seconds: float) -> Pipeline | None:
        """A look each second."""
        for _ in range(math.ceil(seconds) - 1):
            await self.look()
        return await self.look()

    def figure(self, name: str) -> float:
        return self.metrics.registry.get_sample_value(f"stream_serve_{name}") or 0.0


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


async def test_workers_are_heard_together_and_the_server_says_when(world: World) -> None:
    assert world.heartbeats.pipeline is None
    world.redis.put("a", 1, [0])
    world.redis.put("b", 2**40, [1])  # its clock is no matter
    found = await world.look()
    assert found == Pipeline(2, NOW_MS + round(world.now_s * 1000), 2, 2)
    assert world.changes == [PipelineState.UP]
    assert [world.figure(name) for name in ("workers", "partitions", "partitions_folded")] == [2, 2, 2]


async def test_a_worker_counts_while_its_heartbeat_changes_and_the_change_is_told_once(world: World) -> None:
    world.redis.put("a", 1, [0, 1])
    await world.look()
    heard_ms = NOW_MS + round(world.now_s * 1000)
    found = await world.looks(SILENT_S)  # the key is there, but nobody writes it
    assert found is not None
    assert found.workers == 1
    world.redis.remove("a")
    assert await world.look() == Pipeline(0, heard_ms, 2, 0)
    await world.looks(20)
    assert world.changes == [PipelineState.UP, PipelineState.DOWN]
    world.redis.put("b", 7, [0, 1])
    await world.looks(SCAN_SOON_S)
    assert world.changes == [PipelineState.UP, PipelineState.DOWN, PipelineState.UP]


async def test_a_redis_that_was_emptied_does_not_make_the_pipeline_seem_down(world: World) -> None:
    world.redis.put("a", 1, [0, 1])
    await world.look()
    world.redis.remove("a")
    await world.looks(2)
    world.redis.put("a", 2, [0, 1])
    await world.looks(SILENT_S)
    assert world.changes == [PipelineState.UP]


async def test_one_of_two_workers_is_gone_and_its_partitions_stand_still(world: World) -> None:
    for at in range(10):
        world.redis.put("a", at, [0])
        if at < 2:
            world.redis.put("b", at, [1])
        await world.look()
    assert world.changes == [PipelineState.UP, PipelineState.PARTLY]
    assert world.figure("partitions") - world.figure("partitions_folded") == 1


async def test_nothing_is_known_while_redis_is_away_and_for_a_little_after_it(world: World) -> None:
    world.redis.put("a", 1, [0, 1])
    await world.look()
    world.redis.away = True
    assert await world.looks(SILENT_S) is not None  # so long a heartbeat holds
    assert await world.looks(2) is None
    assert [world.figure(name) for name in ("workers", "partitions", "partitions_folded")] == [-1, 0, 0]
    world.redis.away = False
    world.redis.keys.clear()
    assert await world.look() is None
    assert await world.looks(COMING_BACK_S) is not None
    assert world.changes == [PipelineState.UP, None, PipelineState.DOWN]
    world.redis.put("a", 9, [0, 1])
    await world.looks(SCAN_SOON_S)
    assert world.changes[-1] is PipelineState.UP


async def test_redis_is_scanned_seldom_and_less_if_a_scan_takes_long(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = world.redis.scan

    async def slow(match: str, count: int) -> AsyncIterator[list[bytes]]:
        world.now_s += 2.0
        async for keys in scan(match, count):
            yield keys

    for at in range(50):
        world.redis.put("a", at, [0, 1])
        await world.look()
    assert world.redis.scans == 50 // SCAN_EVERY_S + 1  # the second follows soon: the first knew of nobody
    monkeypatch.setattr(world.redis, "scan", slow)
    begun = world.redis.scans
    for at in range(50, 150):
        world.redis.put("a", at, [0, 1])
        await world.look()
    assert world.redis.scans - begun <= 100 / 40 + 1


async def test_what_is_no_heartbeat_is_counted_and_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.redis.keys[heartbeat_key("live", "odd")] = b"{"
    world.redis.keys[heartbeat_key("live", "list")] = ResponseError("WRONGTYPE")
    world.redis.put("a", 1, [0, 1])
    found = await world.look()
    assert found is not None
    assert found.workers == 1
    assert world.figure("heartbeats_unreadable_total") == 2
    monkeypatch.setattr(module, "MAX_WORKERS", 10)
    for number in range(30):
        world.redis.put(f"w{number}", 1, [0])
    await world.looks(SCAN_EVERY_S + 1)
    assert max(world.redis.reads) == 10
