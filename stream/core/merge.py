"""One partition's topics read as one log: slices go to the fold in the order of their append times, second by second.

This is where the partition's clock comes from. While a topic has backlog the clock is the least append time reached
over such topics; when all are read to their end it is the wall clock. A topic that runs ahead of one with backlog waits
here, so a backlog of ten minutes folds into the windows that live traffic gave. Pure: log ends and the wall clock are
handed in.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from typing import TYPE_CHECKING, Literal

from stream.core.time import BUCKET_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream.contract.decode import Record


# What Kafka's clients call a record time that the producer gave.
CREATE_TIME = 0

# Of large records, of one topic, beside the bound on their number: none of them is good, and each may be a megabyte.
HEAVY_MAX_BYTES = 32 * 1024 * 1024


class _Topic:
    __slots__ = ("at_end", "heavy", "heavy_bytes", "queue", "queued", "reached_ms", "stamped", "start")

    def __init__(self) -> None:
        self.queue: deque[Sequence[Record]] = deque()
        self.start = 0  # of the first slice: what was already taken
        self.queued = 0
        self.heavy: deque[int] = deque()  # of each slice: bytes of large records
        self.heavy_bytes = 0
        self.reached_ms = -1  # greatest append time taken
        self.at_end = False
        self.stamped = True  # by the broker's clock; else the times are the producers' word

    def head_ms(self, wall_ms: int | None) -> int:
        """The time at which the next record may be folded; timestamps that go back do not take the topic back.

        Nor does a producer's clock that is fast take it forward, and with it the rooms of everybody else.
        """
        return max(self._believed_ms(self.queue[0][self.start].timestamp, wall_ms), self.reached_ms)

    def _believed_ms(self, time_ms: int, wall_ms: int | None) -> int:
        return time_ms if self.stamped or wall_ms is None else min(time_ms, wall_ms)

    def take_until(self, end_ms: int, wall_ms: int | None) -> Sequence[Record]:
        """Returns the records of the first slice up to `end_ms`, at least one."""
        piece, start = self.queue[0], self.start
        last_ms = piece[-1].timestamp
        if last_ms < end_ms:
            stop = len(piece)
        else:
            # Producers' own timestamps may go back. The split point is then arbitrary but deterministic, as it must be.
            stop = max(start + 1, bisect_left(piece, end_ms, lo=start, key=_append_time_ms))
            last_ms = piece[stop - 1].timestamp
        taken = piece if stop - start == len(piece) else piece[start:stop]
        if stop == len(piece):
            self.queue.popleft()
            self.heavy_bytes -= self.heavy.popleft()
            self.start = 0
        else:
            self.start = stop
        self.queued -= stop - start
        self.reached_ms = max(self.reached_ms, self._believed_ms(last_ms, wall_ms))
        return taken


def _append_time_ms(record: Record) -> int:
    return record.timestamp


class TopicMerge:
    """The queues of one partition's input topics."""

    def __init__(self, topics: int, max_queued_records: int, *, trusts_times: bool = False) -> None:
        self.max_queued_records = max_queued_records
        self.trusts_times = trusts_times
        self._topics = [_Topic() for _ in range(topics)]
        self._clock_ms = -1

    def offer(self, topic_index: int, records: Sequence[Record], heavy_bytes: int = 0) -> None:
        """Queue one contiguous slice, in log order. `heavy_bytes`: what large records in it come to."""
        if records:
            topic = self._topics[topic_index]
            topic.queue.append(records)
            topic.queued += len(records)
            topic.heavy.append(heavy_bytes)
            topic.heavy_bytes += heavy_bytes
            topic.stamped = self.trusts_times or getattr(records[-1], "timestamp_type", None) != CREATE_TIME

    def set_log_end(self, topic_index: int, at_end: bool) -> None:  # noqa: FBT001 — a fact, not an option
        """Say whether the reader has reached the end of this topic's log."""
        self._topics[topic_index].at_end = at_end

    def take(self, wall_ms: int | None = None) -> tuple[int, Sequence[Record]] | None:
        """The next records to fold, with their topic.

        None: nothing is queued, or all of it waits for a topic with backlog.

        Args:
            wall_ms: no producer's time beyond it is believed; None: all are, as in an import.
        """
        best = -1
        best_ms = 0
        limit_ms: int | None = None
        for index, topic in enumerate(self._topics):
            if topic.queue:
                head_ms = topic.head_ms(wall_ms)
                if best < 0 or head_ms < best_ms:
                    best, best_ms = index, head_ms
            elif not topic.at_end and (limit_ms is None or topic.reached_ms < limit_ms):
                limit_ms = topic.reached_ms
        if best < 0 or (limit_ms is not None and best_ms // BUCKET_MS > limit_ms // BUCKET_MS):
            return None
        return best, self._topics[best].take_until((best_ms // BUCKET_MS + 1) * BUCKET_MS, wall_ms)

    def clock_ms(self, wall_ms: int | None) -> tuple[int, Literal["tick", "log"]]:
        """The clock after what was taken, and whether it ran on the wall clock.

        Never back. −1: nothing is known yet.
        """
        behind: int | None = None
        reached_ms = -1
        for topic in self._topics:
            reached_ms = max(reached_ms, topic.reached_ms)
            if topic.queue or not topic.at_end:
                next_ms = topic.head_ms(wall_ms) if topic.queue else topic.reached_ms
                behind = next_ms if behind is None else min(behind, next_ms)
        if behind is not None:
            self._clock_ms = max(self._clock_ms, behind)
            return self._clock_ms, "log"
        self._clock_ms = max(self._clock_ms, reached_ms, -1 if wall_ms is None else wall_ms)
        return self._clock_ms, "log" if wall_ms is None else "tick"

    def full_topics(self) -> frozenset[int]:
        """Topics that hold enough: do not fetch them now."""
        return frozenset(
            index
            for index, topic in enumerate(self._topics)
            if topic.queued >= self.max_queued_records or topic.heavy_bytes >= HEAVY_MAX_BYTES
        )

    def short_topics(self) -> frozenset[int]:
        """Topics of which little waits, a fifth of the bound: the fold will soon need these to go on."""
        little = self.max_queued_records // 5
        return frozenset(i for i, topic in enumerate(self._topics) if topic.queued <= little)

    def queued_records(self) -> int:
        """Records waiting here."""
        return sum(topic.queued for topic in self._topics)

    def clear(self) -> None:
        """Forget what is queued (the owner will seek again); the clock stays."""
        for topic in self._topics:
            topic.queue.clear()
            topic.heavy.clear()
            topic.start = topic.queued = topic.heavy_bytes = 0
            topic.at_end = False
