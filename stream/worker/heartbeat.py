"""A word in Redis each second that this worker reads Kafka and folds, so that screens can tell why figures stand still.

A worker is silent while it folds nothing: without partitions, in a rebalance, or without an answer of Kafka. The
heartbeat touches no record and waits for nothing but Redis. What Redis refuses is counted, and the next heartbeat is
the next try: `Projection` makes the connections anew.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

import msgspec

from stream.contract.heartbeat import HEARTBEAT_EVERY_S, Heartbeat
from stream.redis_clients import REDIS_ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable

    from stream.worker.assignment import Owners
    from stream.worker.metrics import Metrics
    from stream.worker.overlay_store import OverlayStore

# Kafka answers fetches without news within half a second, and a client may be busy with other partitions for a while.
KAFKA_SILENT_MS = 10_000


class Heartbeats:
    """Writes this worker's heartbeat.

    Args:
        store: writes to Redis.
        owners: the partitions of this process.
        metrics: the metrics to count in.
        partitions: how many partitions each input topic has.
        now_ms: the wall clock.
    """

    def __init__(
        self, store: OverlayStore, owners: Owners, metrics: Metrics, *, partitions: int, now_ms: Callable[[], int]
    ) -> None:
        self._store = store
        self._owners = owners
        self._metrics = metrics
        self._partitions = partitions
        self._now_ms = now_ms
        # Neither host nor process: whoever may read overlays need not know where the workers run.
        self._name = uuid.uuid4().hex[:16]

    async def run(self) -> None:
        """Write a heartbeat each second, for as long as the process runs."""
        while True:
            await self.beat()
            await asyncio.sleep(HEARTBEAT_EVERY_S)

    async def beat(self) -> None:
        """Write one heartbeat, if this worker folds anything. Never raises for what Redis does."""
        now_ms = self._now_ms()
        folds = self._folds(now_ms)
        if not folds:
            self._metrics.heartbeats["held_back"].inc()
            return
        word = msgspec.json.encode(Heartbeat(now_ms, folds, self._partitions))
        try:
            await self._store.beat(self._name, word)
        except REDIS_ERRORS:
            self._metrics.heartbeats["failed"].inc()
        else:
            self._metrics.heartbeats["written"].inc()

    def _folds(self, now_ms: int) -> list[int]:
        """The partitions that are live here and that Kafka answers for."""
        return sorted(
            owner.partition
            for owner in self._owners.live()
            if now_ms - owner.ownership.polled_at_ms() <= KAFKA_SILENT_MS
        )
