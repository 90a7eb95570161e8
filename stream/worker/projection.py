"""Dirty rooms → Redis: absolute documents, paced, versioned, and never in the way of the fold.

Collecting and writing are two tasks, so a Redis that is slow or away delays neither folding nor checkpoints nor
signals. Documents that could not be written are not queued. When Redis is back, the newest document of every room is
made and written. The same happens when a version key that was there before is missing, that is, when Redis was wiped.

Redis is back when it takes a write again, not when it answers: after a failover the old master is a replica and answers
every PING. So all connections are made anew before each try.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from typing import TYPE_CHECKING

import structlog

from stream.redis_clients import REDIS_ERRORS, is_of_the_server
from stream.worker.overlay_store import VERSION_TTL_MS, Answer, OverlayStore
from stream.worker.ownership import Phase
from stream.worker.redis_memory import warn_of_eviction
from stream.worker.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stream.core.histories import Charted
    from stream.core.publishing import Published
    from stream.worker.assignment import Owners
    from stream.worker.metrics import Metrics
    from stream.worker.partition_owner import Owner

log = structlog.get_logger(__name__)

# How many documents are made in one go before the loop gets its turn.
COLLECT_ROOMS = 50
PROBE_S = 1.0
AWAY_RETRY_S = 0.5
# All documents are made anew at most this often: a Redis that evicts keys must not keep the worker busy with that.
ANEW_EVERY_S = 5.0
# How often documents are made anew under the log's clock: well inside the shortest TTL of a document.
LOG_REFRESH_S = 2.0
# How many written rooms are remembered to notice a wipe.
PROJECTED_MAX = 200_000
# For how long a version is there after a write, whatever Redis's clock and ours differ by.
VERSION_STAYS_S = VERSION_TTL_MS / 1000 - 60
# The same words of Redis are logged once in this time.
SAY_AGAIN_S = 60.0
MOST_SAID = 100
# How many written documents are looked for again after a while: none may be gone before its time.
SAMPLE_ROOMS = 20
# A document with less time to live than this may be gone when the answer comes.
SAMPLE_MARGIN_S = 1.0
# How often to ask a cluster anew when only some of its servers refuse: most of these are in their failover.
PARTLY_RETRY_S = 0.5
REFUSALS = {Answer.STALE_EPOCH: Refusal.STALE_EPOCH, Answer.NOT_NEWER: Refusal.NOT_NEWER}


class Projection:
    """Publishes what the owners of this process fold.

    Args:
        store: the documents in Redis.
        owners: the owners that make the documents.
        metrics: the metrics to count in.
        interval_ms: the time between two looks for documents that are due.
        batch_rooms: how many documents a pipeline may hold.
        wall_clock: pace and age documents by the wall clock, else by the log's clock.
        now_ms: the wall clock.

    Attributes:
        answers: whether Redis answered the last time; None before the first time.
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
        # Room → when it was written last (monotonic seconds), the one that waits longest first.
        self._projected: dict[Owner, dict[str, float]] = {}
        self._sample: list[tuple[Owner, str, float]] = []
        self._sampled_at = 0.0
        self._probed_at = 0.0
        self._anew_at = -ANEW_EVERY_S
        self._anew_why: str | None = None
        self._partly: BaseException | None = None
        self._again: list[tuple[Owner, str]] = []
        self._histories_again: list[tuple[Owner, str]] = []
        self._partly_at = 0.0
        self._said: dict[str, float] = {}
        self.answers: bool | None = None

    # -- collect -------------------------------------------------------------------------------------------------------

    async def run_collect(self) -> None:
        """Make the documents that are due, every interval, for as long as the process runs."""
        refreshed_at = time.monotonic()
        while True:
            await asyncio.sleep(self._interval_s)
            # The log's clock stands still while nothing is sent. The keys in Redis must not run out all the same.
            refresh = not self._wall_clock and time.monotonic() - refreshed_at > LOG_REFRESH_S
            if refresh:
                refreshed_at = time.monotonic()
            for owner in self._owners.live():
                owner.reproject |= refresh
                await self.collect(owner)

    async def collect(self, owner: Owner) -> None:
        """Make the documents of one partition, in pieces."""
        while owner.phase is Phase.LIVE and owner.collect(self._publish_ms(), COLLECT_ROOMS) >= COLLECT_ROOMS:
            self._work.set()
            await asyncio.sleep(0)
        if owner.outbox or owner.histories:
            self._work.set()
        if self.answers is False:
            owner.outbox, owner.histories = {}, {}  # they are made anew when Redis is back

    def _publish_ms(self) -> int | None:
        return self._now_ms() if self._wall_clock else None

    # -- write ---------------------------------------------------------------------------------------------------------

    async def run_write(self) -> None:
        """Write the collected documents, for as long as the process runs."""
        await self._connect()
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._work.wait(), PROBE_S)
            self._work.clear()
            try:
                await self._write_all()
                await self._probe()
                await self._mend()
            except REDIS_ERRORS as error:
                await self._away(error)

    async def flush(self, timeout_s: float) -> None:
        """Write the last documents before the process ends, if Redis answers."""
        if not self.answers:
            return
        try:
            await asyncio.wait_for(self._write_all(), timeout_s)
        except REDIS_ERRORS as error:
            log.info("the last documents were not written", error=self._store.words(error))

    async def _write_all(self) -> None:
        for owner in self._owners.all():
            while owner.outbox and owner.phase is not Phase.GONE:
                batch = list(itertools.islice(owner.outbox.values(), self._batch_rooms))
                for each in batch:
                    del owner.outbox[each.room_id]
                await self._write(owner, batch)
            while owner.histories and owner.phase is not Phase.GONE:
                histories = list(itertools.islice(owner.histories.values(), self._batch_rooms))
                for history in histories:
                    del owner.histories[history.room_id]
                await self._write_histories(owner, histories)

    async def _write_histories(self, owner: Owner, batch: Sequence[Charted]) -> None:
        answers = await self._store.write_histories(owner.epoch, batch)
        for each, answer in zip(batch, answers, strict=True):
            if isinstance(answer, Exception):
                self._histories_again.append((owner, each.room_id))
                self._say("Redis refuses a history", answer, room_id=each.room_id)

    async def _write(self, owner: Owner, batch: Sequence[Published]) -> None:
        try:
            answers = await self._store.write(owner.epoch, batch)
        except REDIS_ERRORS:
            self._metrics.redis_writes["failed"].inc(len(batch))
            raise
        now_s = time.monotonic()
        failed: list[Exception] = []
        wiped, now_ms = False, self._now_ms()
        projected = self._projected.setdefault(owner, {})
        for each, answer in zip(batch, answers, strict=True):
            if answer is Answer.WRITTEN or answer is Answer.WRITTEN_NEW:
                if answer is Answer.WRITTEN_NEW and each.room_id in projected:
                    wiped = True
                projected.pop(each.room_id, None)
                if len(projected) < PROJECTED_MAX:
                    projected[each.room_id] = now_s
                owner.refusals.taken(each.room_id)
                self._metrics.written(owner, each, now_ms)
            elif isinstance(answer, Answer):
                self._refused(owner, each, answer, now_s)
            else:
                failed.append(answer)
                self._failed(owner, each, answer)
        if len(self._sample) < SAMPLE_ROOMS:
            self._sample += [(owner, each.room_id, now_s + each.ttl_ms / 1000) for each in batch[:SAMPLE_ROOMS]]
        if wiped:
            self._project_all_anew("a version key is gone: Redis was wiped")
        if len(failed) == len(answers):  # Redis refuses everything (read-only, out of memory), or these keys are odd
            await self._store.try_to_write()

    def _refused(self, owner: Owner, each: Published, answer: Answer, now_s: float) -> None:
        why = REFUSALS[answer]
        self._metrics.redis_refused[why].inc()
        if answer is Answer.STALE_EPOCH:
            self._metrics.redis_writes["refused"].inc()
        owner.refusals.refused(each.room_id, why, now_s)

    def _failed(self, owner: Owner, each: Published, error: Exception) -> None:
        """Note a document that failed with an error: its key is odd, or one server of several refuses."""
        self._metrics.redis_writes["failed"].inc()
        if is_of_the_server(error):
            self._partly = error
            self._again.append((owner, each.room_id))
        else:
            self._say("Redis refuses a document", error, room_id=each.room_id)

    async def _mend(self) -> None:
        """Ask anew which server has which keys while a part of Redis takes nothing, at most once in a while."""
        if self._partly is None or time.monotonic() - self._partly_at < PARTLY_RETRY_S:
            return
        error, self._partly = self._partly, None
        self._partly_at = time.monotonic()
        self._say("a part of Redis takes no documents; those of its rooms go stale", error)
        again, self._again = self._again, []
        await self._store.refresh()
        for owner, room_id in again:
            owner.fold.last_again(room_id)

    async def _probe(self) -> None:
        """Check each second that Redis still holds what was written, and do the work that waited for its time."""
        now_s = time.monotonic()
        if self._anew_why is not None:
            self._project_all_anew(self._anew_why)
        if now_s - self._sampled_at >= PROBE_S:
            self._sampled_at = now_s
            again, self._histories_again = self._histories_again, []
            for owner, room_id in again:
                owner.fold.histories_again([room_id])
            await self._look_for_vanished(now_s)
        if now_s - self._probed_at < PROBE_S:
            return
        for gone in self._projected.keys() - set(self._owners.all()):
            del self._projected[gone]
        samples = self._longest_unwritten(now_s)
        if not samples:
            await self._store.ping()
        elif not await self._store.known(samples):
            self._project_all_anew("version keys are gone: Redis was wiped")
        self._probed_at = time.monotonic()

    def _longest_unwritten(self, now_s: float) -> list[str]:
        """Of each partition the room that was written longest ago.

        Had Redis lost all it held, and had a room not been written since, then this one would be missing too.
        """
        found = []
        for rooms in self._projected.values():
            while rooms:
                room_id, written_s = next(iter(rooms.items()))
                if now_s - written_s < VERSION_STAYS_S:
                    found.append(room_id)
                    break
                del rooms[room_id]  # its version has run out, for its session ended long ago
        return found

    async def _look_for_vanished(self, now_s: float) -> None:
        """Check that documents written a while ago, with time left to live, are still there."""
        sample, self._sample = self._sample[:SAMPLE_ROOMS], []
        sample = [each for each in sample if each[2] - now_s > SAMPLE_MARGIN_S]
        if not sample:
            return
        shown = await self._store.shown([room_id for _, room_id, _ in sample])
        answered_s = time.monotonic()
        vanished = [
            (owner, room_id)
            for (owner, room_id, until_s), there in zip(sample, shown, strict=True)
            if not there and until_s > answered_s
        ]
        if not vanished:
            return
        self._metrics.redis_vanished.inc(len(vanished))
        for owner, room_id in vanished:
            owner.fold.last_again(room_id)
        self._say_words(
            "documents go before their time: Redis evicts them, or somebody deletes them",
            room_id=vanished[0][1],
            of=len(sample),
            vanished=len(vanished),
        )

    def _project_all_anew(self, why: str) -> None:
        """Make all documents anew: now, or as soon as `ANEW_EVERY_S` has passed."""
        if time.monotonic() - self._anew_at < ANEW_EVERY_S:
            self._anew_why = why
            return
        self._anew_at = time.monotonic()
        self._anew_why = None
        log.warning("projecting all rooms anew", why=why)
        self._metrics.reprojections.inc()
        self._projected.clear()
        for owner in self._owners.all():
            owner.project_anew()

    # -- away and back -------------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        """Wait until Redis takes a write for the first time."""
        try:
            await self._store.try_to_write()
        except REDIS_ERRORS as error:
            await self._away(error)
        self.answers = True
        await warn_of_eviction(self._store)

    async def _away(self, error: BaseException) -> None:
        """Wait until Redis takes documents, then make all documents anew."""
        self.answers = False
        self._say("Redis does not take documents; folding goes on, overlays will go stale", error)
        while True:
            await asyncio.sleep(AWAY_RETRY_S)
            await self._store.renew()
            try:
                await self._store.try_to_write()
            except REDIS_ERRORS as still:
                self._say("Redis does not take documents; folding goes on, overlays will go stale", still)
                continue
            break
        self.answers = True
        self._say_words("Redis takes documents")
        # All documents are written anew, so the old server's refusals no longer matter.
        self._sample, self._again, self._histories_again, self._partly = [], [], [], None
        self._project_all_anew("Redis was away")

    def _say(self, event: str, error: BaseException, **fields: object) -> None:
        """Log an error of Redis. The same words are logged once in a while."""
        self._say_words(event, error=self._store.words(error), **fields)

    def _say_words(self, event: str, error: str | None = None, **fields: object) -> None:
        key = f"{event} {error}"
        now_s = time.monotonic()
        if now_s - self._said.get(key, -SAY_AGAIN_S) < SAY_AGAIN_S:
            return
        if len(self._said) >= MOST_SAID:
            self._said.clear()
        self._said[key] = now_s
        log.warning(event, **({} if error is None else {"error": error}), **fields)
