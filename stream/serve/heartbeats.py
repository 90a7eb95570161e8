"""Redis → which workers are alive, for the whole server: one task, whatever the number of streams.

Known heartbeats are read once a second. New ones are found by SCAN, which takes at most a twentieth of the time: a
Redis that holds millions of other keys is not scanned each second. A worker counts while its heartbeat changes, by this
server's own clock: neither a worker's wrong clock nor a Redis that was emptied makes the pipeline seem down.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import structlog

from stream.contract.heartbeat import (
    HEARTBEAT_EVERY_S,
    HEARTBEAT_TTL_MS,
    Heartbeat,
    Pipeline,
    PipelineState,
    heartbeat_key,
    pipeline_of,
    read_heartbeat,
)
from stream.redis_clients import REDIS_ERRORS
from stream.serve.metrics import UNKNOWN_WORKERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from stream.redis_clients import RedisClient
    from stream.serve.metrics import Metrics

log = structlog.get_logger(__name__)

SCAN_EVERY_S = 5.0
# While a partition is folded by nobody, a worker that takes it over should be seen soon.
SCAN_SOON_S = 1.0
SCAN_MAX_S = 10.0
# A scan is followed by this many times its own duration without one.
SCAN_REST = 20
SCAN_COUNT = 1_000
# Further workers are not looked at. They show as partitions that nobody folds.
MAX_WORKERS = 1_000
SILENT_S = HEARTBEAT_TTL_MS / 1000
# A Redis that has just come back may be empty: workers find it again within this time.
COMING_BACK_S = 3.0


class _Heard:
    """The heartbeat of one worker, and the monotonic time at which it was another one than before."""

    __slots__ = ("at_s", "word")

    def __init__(self, word: Heartbeat, at_s: float) -> None:
        self.word = word
        self.at_s = at_s


class Heartbeats:
    """The workers as this server hears them. `run` must run for anything to be known.

    Args:
        redis: the client to read with. Whoever owns it makes its connections anew.
        prefix: the prefix of the keys.
        metrics: the metrics to count in.
        now_ms: the wall clock.

    Attributes:
        on_change: called when `state` is another one.
    """

    def __init__(self, redis: RedisClient, prefix: str, metrics: Metrics, now_ms: Callable[[], int]) -> None:
        self._redis = redis
        self._prefix = prefix
        self._metrics = metrics
        self._now_ms = now_ms
        self._heard: dict[str, _Heard] = {}
        self._heard_ms: int | None = None
        self._partitions = 0
        self._answers_since_s: float | None = None
        self._answered_s = float("-inf")
        self._scan_at_s = float("-inf")
        self._said = False
        self.state: PipelineState | None = None
        self.on_change: Callable[[], None] = lambda: None

    @property
    def pipeline(self) -> Pipeline | None:
        """What is known of the workers now; None while that is nothing: Redis did not answer for some seconds."""
        return None if self.state is None else self._pipeline()

    async def run(self) -> None:
        """Look each second, for as long as the process runs."""
        while True:
            await self.look()
            await asyncio.sleep(HEARTBEAT_EVERY_S)

    async def look(self) -> None:
        """Read the known heartbeats, and look for new ones if it is time. Never raises for what Redis does."""
        try:
            names = list(self._heard)
            begun_s = time.monotonic()
            if begun_s >= self._scan_at_s:
                names = await self._names(names)
                rest_s = SCAN_EVERY_S if self.state is PipelineState.UP else SCAN_SOON_S
                ended_s = time.monotonic()
                self._scan_at_s = ended_s + max(rest_s - HEARTBEAT_EVERY_S / 2, SCAN_REST * (ended_s - begun_s))
            raws = await self._redis.batch([("GET", heartbeat_key(self._prefix, name)) for name in names])
        except REDIS_ERRORS as error:
            self._not_answered(error)
        else:
            self._take(names, raws)
        self._tell()

    async def _names(self, known: list[str]) -> list[str]:
        """Known names and those that a scan finds, within the bounds on both."""
        head, tail = heartbeat_key(self._prefix, "*").split("*")
        deadline_s = time.monotonic() + SCAN_MAX_S
        found = dict.fromkeys(known)
        async for keys in self._redis.scan(f"{head}*{tail}", SCAN_COUNT):
            found |= dict.fromkeys(key.decode("utf-8", "replace")[len(head) : -len(tail)] for key in keys)
            if len(found) > MAX_WORKERS or time.monotonic() > deadline_s:
                break
        return list(found)[:MAX_WORKERS]

    def _take(self, names: list[str], raws: list[Any]) -> None:
        now_s = time.monotonic()
        if any(isinstance(raw, Exception) for raw in raws):  # a node of a cluster is gone, or a key is odd
            self._metrics.heartbeats_unreadable.inc()
        self._answered_s = now_s
        if self._answers_since_s is None:
            self._answers_since_s = now_s
        for name, raw in zip(names, raws, strict=True):
            if not isinstance(raw, bytes):
                continue
            word = read_heartbeat(raw)
            if word is None:
                self._metrics.heartbeats_unreadable.inc()
                continue
            heard = self._heard.get(name)
            if heard is None or heard.word.at_ms != word.at_ms:
                self._heard[name] = _Heard(word, now_s)
                self._heard_ms = self._now_ms()
        for name in [name for name, heard in self._heard.items() if now_s - heard.at_s > SILENT_S]:
            del self._heard[name]

    def _not_answered(self, error: BaseException) -> None:
        if time.monotonic() - self._answered_s > SILENT_S:
            self._answers_since_s = None
            self._heard.clear()  # nothing was heard of them for as long as a heartbeat holds
        if not self._said:
            log.warning("heartbeats of workers cannot be read", error=self._redis.words(error))
        self._said = True

    def _pipeline(self) -> Pipeline:
        found = pipeline_of((heard.word for heard in self._heard.values()), self._heard_ms)
        return found if found.workers else Pipeline(0, self._heard_ms, self._partitions, 0)

    def _is_known(self, found: Pipeline) -> bool:
        """Whether Redis answers, and did so for long enough if it names no worker."""
        since_s = self._answers_since_s
        return since_s is not None and (found.workers > 0 or time.monotonic() - since_s >= COMING_BACK_S)

    def _tell(self) -> None:
        """Note what is known now, in the metrics too, and call back if the word for it is another one."""
        found = self._pipeline()
        self._partitions = found.partitions
        before, self.state = self.state, found.state if self._is_known(found) else None
        self._said &= self.state is None
        is_known = self.state is not None
        self._metrics.workers.set(found.workers if is_known else UNKNOWN_WORKERS)
        self._metrics.partitions.set(found.partitions if is_known else 0)
        self._metrics.partitions_folded.set(found.folded if is_known else 0)
        if self.state is not before:
            log.info("workers", state=None if self.state is None else self.state.value, workers=found.workers)
            self.on_change()
