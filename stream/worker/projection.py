"""Dirty rooms → Redis: absolute documents, paced, versioned, and never in the way of the fold.

Collecting and writing are two tasks, so a Redis that is slow or away delays neither folding nor checkpoints nor
signals. What could not be written is not queued: when Redis is back, the newest document of every room is made and
written. The same follows when a version key is missing that was there before, that is, when Redis was wiped.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import RedisError

from stream.worker.overlay_store import Answer, OverlayStore
from stream.worker.ownership import Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stream.core.publishing import Published
    from stream.worker.metrics import Metrics
    from stream.worker.owner import Owner
    from stream.worker.owners import Owners

log = structlog.get_logger(__name__)

# Documents made in one go before the loop gets its turn.
COLLECT_ROOMS = 50
PROBE_S = 1.0
AWAY_RETRY_S = 0.5
# At most this often is everything made anew: a Redis that evicts keys must not keep us busy with nothing else.
ANEW_EVERY_S = 5.0
# With the log's clock, well inside the shortest TTL of a document.
LOG_REFRESH_S = 2.0
# Remembered to notice a wipe; ended rooms are in it too, so it is emptied now and then.
PROJECTED_MAX = 200_000
# Errors that mean "not now": the network's, Redis' own, and a time-out.
AWAY_ERRORS = (RedisError, OSError, TimeoutError)


class Projection:
    """Publishes what the owners of this process fold.

    Args:
        store: Redis.
        owners: whose documents.
        metrics: what to count in.
        interval_ms: between two looks for documents that are due.
        batch_rooms: most documents in one pipeline.
        wall_clock: documents are paced and aged by the wall clock; else by the log's.
        now_ms: the wall clock.

    Attributes:
        answers: Redis answered the last time it was asked; None before the first time.
    """

    def __init__(
        self,
        store: OverlayStore,
        owners: Owners,
        metrics: Metrics,
        *,
        interval_ms: int,
        batch_rooms: int,
        wall_clock: bool,
        now_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._owners = owners
        self._metrics = metrics
        self._interval_s = interval_ms / 1000
        self._batch_rooms = batch_rooms
        self._wall_clock = wall_clock
        self._now_ms = now_ms
        self._work = asyncio.Event()
        self._projected: dict[Owner, set[str]] = {}
        self._wrote_at = 0.0
        self._anew_at = -ANEW_EVERY_S
        self.answers: bool | None = None

    # -- collect -------------------------------------------------------------------------------------------------------

    async def run_collect(self) -> None:
        """Make the documents that are due, every interval, for as long as the process runs."""
        refreshed_at = time.monotonic()
        while True:
            await asyncio.sleep(self._interval_s)
            # The log's clock stands still when nothing is sent; the keys in Redis must not run out all the same.
            refresh = not self._wall_clock and time.monotonic() - refreshed_at > LOG_REFRESH_S
            if refresh:
                refreshed_at = time.monotonic()
            for owner in self._owners.live():
                owner.reproject |= refresh
                await self.collect(owner)

    async def collect(self, owner: Owner) -> None:
        """Make one partition's documents, in pieces."""
        while owner.phase is Phase.LIVE and owner.collect(self._publish_ms(), COLLECT_ROOMS) >= COLLECT_ROOMS:
            self._work.set()
            await asyncio.sleep(0)
        if owner.outbox:
            self._work.set()
        if self.answers is False:
            owner.outbox = {}  # made anew when Redis is back

    def _publish_ms(self) -> int | None:
        return self._now_ms() if self._wall_clock else None

    # -- write ---------------------------------------------------------------------------------------------------------

    async def run_write(self) -> None:
        """Write what was collected, for as long as the process runs."""
        await self._connect()
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._work.wait(), PROBE_S)
            self._work.clear()
            try:
                await self._write_all()
                await self._probe()
            except AWAY_ERRORS as error:
                await self._away(error)

    async def flush(self, timeout_s: float) -> None:
        """Write the last documents before the process ends, if Redis is there."""
        if not self.answers:
            return
        try:
            await asyncio.wait_for(self._write_all(), timeout_s)
        except AWAY_ERRORS as error:
            log.info("the last documents were not written", error=repr(error))

    async def _write_all(self) -> None:
        for owner in self._owners.all():
            while owner.outbox and owner.phase is not Phase.GONE:
                batch = list(itertools.islice(owner.outbox.values(), self._batch_rooms))
                for each in batch:
                    del owner.outbox[each.room_id]
                await self._write(owner, batch)

    async def _write(self, owner: Owner, batch: Sequence[Published]) -> None:
        try:
            answers = await self._store.write(owner.epoch, batch)
        except AWAY_ERRORS:
            self._metrics.redis_writes["failed"].inc(len(batch))
            raise
        self._wrote_at = time.monotonic()
        failed = [answer for answer in answers if isinstance(answer, RedisError)]
        self._metrics.redis_writes["failed"].inc(len(failed))
        self._metrics.redis_writes["refused"].inc(answers.count(Answer.STALE_EPOCH))
        wiped, now_ms = False, self._now_ms()
        projected = self._projected.setdefault(owner, set())
        for each, answer in zip(batch, answers, strict=True):
            if answer is Answer.WRITTEN_NEW and each.room_id in projected:
                wiped = True
            if answer in (Answer.WRITTEN, Answer.WRITTEN_NEW):
                projected.add(each.room_id)
                self._metrics.written(owner, each, now_ms)
        if wiped:
            self._project_all_anew("a version key is gone: Redis was wiped")
        if len(projected) > PROJECTED_MAX:
            projected.clear()
        if len(failed) == len(answers):  # Redis itself refuses (read-only, out of memory), not one odd key
            raise failed[0]

    async def _probe(self) -> None:
        """When nothing was written for a while, see whether Redis still holds what was."""
        if time.monotonic() - self._wrote_at < PROBE_S:
            return
        for gone in self._projected.keys() - set(self._owners.all()):
            del self._projected[gone]
        samples = [next(iter(rooms)) for rooms in self._projected.values() if rooms]
        if not samples:
            await self._store.ping()
        elif not await self._store.known(samples):
            self._project_all_anew("version keys are gone: Redis was wiped")
        self._wrote_at = time.monotonic()

    def _project_all_anew(self, why: str) -> None:
        if time.monotonic() - self._anew_at < ANEW_EVERY_S:
            return
        self._anew_at = time.monotonic()
        log.warning("projecting all rooms anew", why=why)
        self._metrics.reprojections.inc()
        self._projected.clear()
        for owner in self._owners.all():
            owner.project_anew()

    # -- away and back -------------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        """Wait until Redis answers for the first time."""
        try:
            await self._store.ping()
        except AWAY_ERRORS as error:
            await self._away(error)
        self.answers = True

    async def _away(self, error: Exception) -> None:
        """Wait until Redis answers, then have everything made anew."""
        self.answers = False
        log.warning("Redis does not answer; folding goes on, overlays will go stale", error=repr(error))
        while True:
            await asyncio.sleep(AWAY_RETRY_S)
            try:
                await self._store.ping()
            except AWAY_ERRORS:
                continue
            break
        self.answers = True
        log.info("Redis answers")
        self._project_all_anew("Redis was away")
