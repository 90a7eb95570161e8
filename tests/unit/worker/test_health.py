"""Alive, ready, and when only a new process helps."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, cast

import pytest
from aiohttp import ClientSession

from stream.errors import SnapupError
from stream.exits import Exit
from stream.worker.health import POLL_SILENT_S, REBALANCE_MAX_S, STALLED_S, Health, Pulse, serve
from stream.worker.ownership import Phase
from stream.worker.tasks import FatalError
from tests.unit.worker.helpers import LIKES, NOW_MS, drain, like, live_owner

if TYPE_CHECKING:
    from aiohttp import web

    from stream.worker.metrics import Metrics
    from stream.worker.partition_owner import Owner


class OwnersTwin:
    def __init__(self, *owners: Owner) -> None:
        self.owners = list(owners)
        self.assigned = frozenset(owner.partition for owner in owners)
        self.rebalancing_since: float | None = None
        self.stopping = False

    @property
    def rebalancing(self) -> bool:
        return self.rebalancing_since is not None

    def all(self) -> list[Owner]:
        return self.owners

    def live(self) -> list[Owner]:
        return [owner for owner in self.owners if owner.phase is Phase.LIVE]


def health_of(owners: OwnersTwin, metrics: Metrics, pulse: Pulse | None = None, *, redis: bool | None = True) -> Health:
    return Health(cast("Any", owners), metrics, pulse or Pulse(), lambda: redis)


def test_a_worker_that_folds_its_partitions_is_ready(metrics: Metrics) -> None:
    health = health_of(OwnersTwin(live_owner()), metrics)
    assert health.not_ready() == []
    assert health.not_alive() == []


def test_a_stand_by_without_partitions_is_ready(metrics: Metrics) -> None:
    assert health_of(OwnersTwin(), metrics).not_ready() == []


def test_what_is_missing_is_named(metrics: Metrics) -> None:
    owners = OwnersTwin(live_owner(1), live_owner(2), live_owner(3))
    owners.owners[0].pause()
    owners.owners[2].pause()
    health = health_of(owners, metrics, redis=False)
    assert health.not_ready() == ["partitions being taken over: 1, 3", "Redis takes no documents"]
    assert health_of(owners, metrics, redis=None).not_ready()[-1] == "Redis takes no documents"
    owners.rebalancing_since = time.monotonic()
    assert health.not_ready()[0] == "the group is rebalancing"


def test_a_rebalance_is_alive_for_a_while_even_if_nothing_is_polled(metrics: Metrics) -> None:
    owners, pulse = OwnersTwin(), Pulse()
    pulse._polled_at -= POLL_SILENT_S + 1
    health = health_of(owners, metrics, pulse)
    assert health.not_alive() == ["the consumer was not polled for 31 s"]
    owners.rebalancing_since = time.monotonic()
    assert health.not_alive() == []
    owners.rebalancing_since -= REBALANCE_MAX_S + 1
    assert health.not_alive() == ["in a rebalance for 301 s"]


def with_backlog() -> Owner:
    owner = live_owner()
    list(owner.ownership.cut(drain(owner, LIKES, [like(0)], end=100), 100))
    return owner


def test_standing_still_before_work_ends_the_process(metrics: Metrics) -> None:
    health = health_of(OwnersTwin(with_backlog()), metrics)
    health.check_progress(1.0, NOW_MS)
    health.check_progress(1.0 + STALLED_S, NOW_MS)
    with pytest.raises(FatalError, match="partition 0 has backlog and has not moved") as caught:
        health.check_progress(1.1 + STALLED_S, NOW_MS)
    assert caught.value.code is Exit.STALLED


def test_a_partition_that_moves_is_not_stalled(metrics: Metrics) -> None:
    owner = with_backlog()
    health = health_of(OwnersTwin(owner), metrics)
    health.check_progress(1.0, NOW_MS)
    owner.fold.fold(LIKES, [like(0)])
    health.check_progress(1.0 + STALLED_S, NOW_MS)
    health.check_progress(2.0 + STALLED_S, NOW_MS)


def test_without_work_or_without_a_broker_nothing_is_stalled(metrics: Metrics) -> None:
    idle = live_owner()
    list(idle.ownership.cut(drain(idle, LIKES, []), 100))
    health = health_of(OwnersTwin(idle), metrics)
    health.check_progress(1.0, NOW_MS)
    health.check_progress(100 + STALLED_S, NOW_MS)
    away = health_of(OwnersTwin(with_backlog()), metrics)
    away.check_progress(1.0, NOW_MS + 10_000)
    away.check_progress(100 + STALLED_S, NOW_MS + 200_000)


def port_of(runner: web.AppRunner) -> int:
    return int(runner.addresses[0][1])


async def test_the_three_pages_answer(metrics: Metrics) -> None:
    owners = OwnersTwin(live_owner())
    runner = await serve(health_of(owners, metrics), "127.0.0.1", 0)
    owners.owners[0].fold.fold(LIKES, [like(0)])
    try:
        async with ClientSession(f"http://127.0.0.1:{port_of(runner)}") as client:
            async with client.get("/healthz") as answer:
                assert (answer.status, await answer.json()) == (200, {"alive": True, "problems": []})
            async with client.get("/metrics") as answer:
                assert 'stream_received_total{topic="live.likes"} 1.0' in await answer.text()
            owners.owners[0].pause()
            async with client.get("/readyz") as answer:
                assert answer.status == 503
                assert json.loads(await answer.text()) == {
                    "ready": False,
                    "missing": ["partitions being taken over: 0"],
                    "assigned": [0],
                    "partitions": {"acquiring": 0, "ready": 1, "live": 0},
                }
    finally:
        await runner.cleanup()


async def test_a_port_in_use_is_one_clear_sentence(metrics: Metrics) -> None:
    runner = await serve(health_of(OwnersTwin(), metrics), "127.0.0.1", 0)
    try:
        with pytest.raises(SnapupError, match=r"in use: choose another with --metrics-port"):
            await serve(health_of(OwnersTwin(), metrics), "127.0.0.1", port_of(runner))
    finally:
        await runner.cleanup()


async def test_a_host_that_is_not_ours_is_one_clear_sentence(metrics: Metrics) -> None:
    with pytest.raises(SnapupError, match=r"Cannot listen on 203\.0\.113\.1:0"):
        await serve(health_of(OwnersTwin(), metrics), "203.0.113.1", 0)
