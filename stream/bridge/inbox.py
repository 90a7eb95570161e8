"""Lines that were heard and not yet taken: bounded by their size, so that a source that is faster than Kafka waits."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_WAITING_BYTES = 8 * 1024 * 1024
# What a line costs besides its bytes: without that, a million of empty ones would be nothing.
LINE_BYTES = 64
# Small batches grow up to this size: a WebSocket brings one line at a time.
BATCH_BYTES = 64 * 1024


class Batch(Struct):
    """Lines in the order of their coming. `size` is in bytes; `since_s` is when the first came, by a steady clock."""

    lines: list[bytes]
    size: int
    since_s: float


class Inbox:
    """Any number of sources put lines in, one taker takes them; both live in one event loop.

    A source waits while `most_bytes` wait already. So at most that many wait, and one batch of each source.

    Attributes:
        most_bytes: the bound.
        waiting_bytes: bytes of lines that wait, and what lines cost besides.
        blocked: sources that wait for a place now.
        error: what ended the source, where that was an error.
    """

    def __init__(self, most_bytes: int = MAX_WAITING_BYTES) -> None:
        self.most_bytes = most_bytes
        self.waiting_bytes = 0
        self.blocked = 0
        self.error: BaseException | None = None
        self._batches: deque[Batch] = deque()
        self._is_over = False
        self._news = asyncio.Event()
        self._place = asyncio.Event()

    async def put(self, lines: Sequence[bytes]) -> bool:
        """Put lines in, once there is a place. False: the inbox had ended before, and they are not in it."""
        if self._is_over:
            return False
        self.blocked += 1
        try:
            while self.waiting_bytes >= self.most_bytes and not self._is_over:
                self._place.clear()
                await self._place.wait()
        finally:
            self.blocked -= 1
            self._news.set()
        self._add(lines)
        return True

    def end(self, error: BaseException | None = None) -> None:
        """Take nothing more than what waits, also for a place."""
        self.error = self.error or error
        self._is_over = True
        self._place.set()
        self._news.set()

    async def take(self) -> Batch | None:
        """The oldest lines that wait; None: the inbox has ended, and nothing waits."""
        while not self._batches:
            if self._is_over and not self.blocked:
                return None
            self._news.clear()
            await self._news.wait()
        batch = self._batches.popleft()
        self.waiting_bytes -= batch.size
        if self.waiting_bytes < self.most_bytes:
            self._place.set()
        return batch

    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self._batches

    def oldest_s(self) -> float | None:
        """When the line came that waits for longest, by a steady clock."""
        return self._batches[0].since_s if self._batches else None

    def _add(self, lines: Sequence[bytes]) -> None:
        size = sum(map(len, lines)) + LINE_BYTES * len(lines)
        self.waiting_bytes += size
        last = self._batches[-1] if self._batches else None
        if last is not None and last.size + size <= BATCH_BYTES:
            last.lines += lines
            last.size += size
        else:
            self._batches.append(Batch(list(lines), size, time.monotonic()))
        self._news.set()
