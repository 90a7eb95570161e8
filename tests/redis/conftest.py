"""Redis as it is run, with every redis-server that is asked for: the machine's, or with SNAPUP_REDIS_MATRIX=1 all."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING, Any, Self

import pytest

from stream.local.packages import Program
from stream.local.settings import LocalSettings
from stream.worker.metrics import Metrics
from stream.worker.overlay_store import OverlayStore
from stream.worker.ownership import Phase
from stream.worker.projection import Projection
from tests.support.redis_matrix import MATRIX, found_in
from tests.support.redis_servers import (
    ClusterSetup,
    FailoverPair,
    RedisNode,
    SentinelSetup,
    machines_server,
    named,
    speaks_tls,
)
from tests.support.serve import now_ms
from tests.unit.worker.helpers import LIKES, TOPICS, like, live_owner

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from stream.worker.partition_owner import Owner

    Setup = FailoverPair | SentinelSetup | ClusterSetup

SETUPS: dict[str, type[Setup]] = {"address": FailoverPair, "sentinel": SentinelSetup, "cluster": ClusterSetup}
PREFIX = "live"
ROOMS = 6


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`program`: the machine's server, or each of the matrix."""
    if "program" in metafunc.fixturenames:
        names = ["machine", *MATRIX] if os.environ.get("SNAPUP_REDIS_MATRIX") else ["machine"]
        metafunc.parametrize("program", names, indirect=True, scope="session")


@pytest.fixture(scope="session")
def program(request: pytest.FixtureRequest) -> Program:
    """A redis-server."""
    if request.param == "machine":
        return machines_server()
    path = found_in(LocalSettings().cache_dir, request.param)
    if path is None:
        pytest.skip(f"{request.param} is MISSING: Snapup was NOT tried with it. `make test-redis` fetches it.")
    return Program(path)


@pytest.fixture(scope="session")
def tls_program(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """A redis-server that speaks TLS."""
    if not speaks_tls(program, tmp_path_factory.mktemp("tls")):
        pytest.skip(f"{named(program)} was built WITHOUT TLS: TLS was NOT tried with it.")
    return program


@pytest.fixture(params=list(SETUPS))
async def setup(request: pytest.FixtureRequest, program: Program, tmp_path: Path) -> AsyncIterator[Setup]:
    """Redis behind one address, with Sentinels, and as a cluster."""
    async with SETUPS[request.param](tmp_path, program) as started:
        yield started


@pytest.fixture
def node(program: Program, tmp_path: Path) -> Iterator[RedisNode]:
    """One server."""
    started = RedisNode(tmp_path / "redis", program).start()
    yield started
    started.stop()


class _Owners:
    """One partition, always here."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner

    def all(self) -> list[Owner]:
        return [self._owner]

    def live(self) -> list[Owner]:
        return self.all() if self._owner.phase is Phase.LIVE else []


class Worker:
    """The worker's half that writes documents, without Kafka: rooms with likes, published as they are."""

    def __init__(self, url: Any, *, timeout_ms: int = 500) -> None:
        self.owner = live_owner()
        self.metrics = Metrics(TOPICS, observe_latency=False)
        self.store = OverlayStore(url, PREFIX, timeout_ms)
        owners: Any = _Owners(self.owner)
        self.projection = Projection(
            self.store, owners, self.metrics, interval_ms=25, batch_rooms=200, wall_clock=True, now_ms=now_ms
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._likes = 0
        self.like()

    def like(self, rooms: int = ROOMS) -> None:
        """A like in every room."""
        records = [like(self._likes * 1_000 + each, room=f"room-{each}", at_ms=now_ms()) for each in range(rooms)]
        self._likes += 1
        self.owner.fold.fold(LIKES, records)

    async def __aenter__(self) -> Self:
        for work in (self.projection.run_collect(), self.projection.run_write(), self._run_clock()):
            self._tasks.append(asyncio.create_task(work))
        return self

    async def __aexit__(self, *ended: object) -> None:
        del ended
        left = set(self._tasks)
        while left:  # again and again: until Python 3.12, the client of Redis may swallow a cancellation
            for task in left:
                task.cancel()
            _, left = await asyncio.wait(left, timeout=0.2)
        await self.store.close()

    async def _run_clock(self) -> None:
        while True:
            await asyncio.sleep(0.05)
            self.owner.fold.advance(now_ms(), "tick")
            self.like()

    def counted(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


@contextlib.asynccontextmanager
async def all_of(*contexts: Any) -> AsyncIterator[None]:
    """Enter several."""
    async with contextlib.AsyncExitStack() as stack:
        for each in contexts:
            await stack.enter_async_context(each)
        yield
