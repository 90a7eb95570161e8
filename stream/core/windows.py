"""Hopping windows over whole-second buckets, as of the partition's clock: sums (`Tally`), distinct people (`Audience`).

Both keep one running total per window and move its left edge as the clock moves, so that reading costs nothing and
adding costs the same in a room with ten people and with a million. A person is in a window when the *latest* second in
which they were seen is in it: the window ends now, so one number per person serves all windows, exactly.

Beyond `sample_max` people an audience keeps a sample: those whose hash ends in `bits` zero bits (adaptive sampling,
Flajolet 1990); the count is then the sample's count times 2**bits, with relative standard error sqrt((1 − 2**−bits) /
sample count).
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from itertools import repeat
from math import sqrt
from typing import TYPE_CHECKING
from zlib import crc32

from stream.contract.overlay import Count
from stream.core.distinct import NOT_SEEN
from stream.core.rules import WINDOWS_MS
from stream.core.time import BUCKET_MS, first_bucket

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stream.core.distinct import Distinct

WINDOW_BUCKETS = tuple(window_ms // BUCKET_MS for window_ms in WINDOWS_MS)
LONGEST_BUCKETS = WINDOW_BUCKETS[-1]
SWEEP_SLACK = 64
# Up to this many people, moving one by one is faster.
FEW = 12
Z_95 = 1.96


class Edges:
    """Left edges of the three windows and the running totals behind them. Shared by tallies and audiences."""

    __slots__ = ("as_of", "counts", "edge_0", "edge_1", "edge_2", "total_0", "total_1", "total_2")

    def __init__(self) -> None:
        self.as_of = -1
        self.edge_0 = self.edge_1 = self.edge_2 = 0
        self.total_0 = self.total_1 = self.total_2 = 0
        self.counts: dict[int, int] = {}

    def advance(self, as_of_bucket: int) -> None:
        """Move the windows so that they end with `as_of_bucket`. Never back."""
        if as_of_bucket > self.as_of:
            advance_all((self,), as_of_bucket)

    def forget(self, edge: int) -> None:
        """Drop the buckets before `edge`."""
        counts = self.counts
        if edge - self.edge_2 <= len(counts):
            for bucket in range(self.edge_2, edge):
                counts.pop(bucket, None)
        else:
            for bucket in [bucket for bucket in counts if bucket < edge]:
                del counts[bucket]

    def recount(self) -> None:
        """Compute the totals anew from the buckets, after a restore."""
        items = self.counts.items()
        self.total_0 = sum(n for bucket, n in items if bucket >= self.edge_0)
        self.total_1 = sum(n for bucket, n in items if bucket >= self.edge_1)
        self.total_2 = sum(n for bucket, n in items if bucket >= self.edge_2)

    def totals(self) -> tuple[int, int, int]:
        """Return the running totals of all three windows."""
        return self.total_0, self.total_1, self.total_2

    def total(self, window: int) -> int:
        """Return the running total of window 0, 1 or 2 of `WINDOWS_MS`."""
        return (self.total_0, self.total_1, self.total_2)[window]


def advance_all(together: Iterable[Edges], as_of_bucket: int) -> None:
    """Move the windows of all of a room's tallies and audiences so that they end with `as_of_bucket`."""
    edge_0, edge_1, edge_2 = _edges(as_of_bucket)
    for each in together:
        counts = each.counts
        if not counts:
            pass
        elif as_of_bucket - each.as_of == 1:
            each.total_0 -= counts.get(edge_0 - 1, 0)
            each.total_1 -= counts.get(edge_1 - 1, 0)
            each.total_2 -= counts.pop(edge_2 - 1, 0)
        else:
            each.total_0 -= _leaving(counts, each.edge_0, edge_0)
            each.total_1 -= _leaving(counts, each.edge_1, edge_1)
            each.total_2 -= _leaving(counts, each.edge_2, edge_2)
            each.forget(edge_2)
        each.as_of = as_of_bucket
        each.edge_0, each.edge_1, each.edge_2 = edge_0, edge_1, edge_2


@lru_cache(16)  # all windows of all rooms move to the same second
def _edges(as_of_bucket: int) -> tuple[int, ...]:
    return tuple(max(0, first_bucket(as_of_bucket, window_ms)) for window_ms in WINDOWS_MS)


def _leaving(counts: Mapping[int, int], old_edge: int, new_edge: int) -> int:
    if new_edge - old_edge == 1:
        return counts.get(old_edge, 0)
    if new_edge - old_edge < len(counts):
        return sum(counts.get(bucket, 0) for bucket in range(old_edge, new_edge))
    return sum(n for bucket, n in counts.items() if old_edge <= bucket < new_edge)


class Tally(Edges):
    """A sum per window: orders, views, minor units."""

    __slots__ = ("changed",)

    def __init__(self) -> None:
        super().__init__()
        self.changed: set[int] = set()

    def add(self, bucket: int, amount: int) -> None:
        """Add `amount` in a bucket; a bucket older than the longest window counts nowhere."""
        if bucket < self.edge_2:
            return
        self.counts[bucket] = self.counts.get(bucket, 0) + amount
        self.changed.add(bucket)
        self.total_2 += amount
        if bucket >= self.edge_1:
            self.total_1 += amount
        if bucket >= self.edge_0:
            self.total_0 += amount

    def take_changed(self) -> dict[int, int]:
        """Return the buckets changed since the last call, with their absolute values."""
        counts = self.counts
        changed = {bucket: counts[bucket] for bucket in sorted(self.changed) if bucket in counts}
        self.changed.clear()
        return changed

    def restore(self, buckets: Mapping[int, int]) -> None:
        """Restore saved buckets; `recount` must follow."""
        self.counts.update(buckets)


class Audience(Edges):
    """Distinct people of each window, and of the whole session."""

    __slots__ = ("bits", "changed", "kept_max", "last", "sample_max", "session")

    def __init__(self, sample_max: int, session: Distinct) -> None:
        super().__init__()
        self.session = session
        self.sample_max = sample_max
        # Upper bound including people who left all windows. Sweeping them at every newcomer cost 4 % of a large room's
        # fold.
        self.kept_max = sample_max + sample_max // 4
        self.bits = 0
        # While the session keeps all members, its own dictionary: a newcomer is then written once.
        self.last = session.members
        self.changed: dict[str, int] = {}

    def seen(self, person: str, bucket: int) -> int:  # noqa: C901, PLR0912 — the hottest path: calls cost more than they tell
        """Note that a person was seen in `bucket`. Returns the person's latest bucket (−1: the person is not kept)."""
        last = self.last.get(person, NOT_SEEN)
        if bucket <= last:
            return last
        if last < 0:
            self.session.add(person)
            if self.bits and not sample_of((person,), self.bits):
                return -1
        edge_2 = self.edge_2
        if bucket < edge_2:
            return last
        counts = self.counts
        if last >= edge_2:
            left = counts[last] - 1
            if left:
                counts[last] = left
            else:
                del counts[last]
            if last < self.edge_0 <= bucket:
                self.total_0 += 1
            if last < self.edge_1 <= bucket:
                self.total_1 += 1
        else:
            self.total_2 += 1
            if bucket >= self.edge_1:
                self.total_1 += 1
            if bucket >= self.edge_0:
                self.total_0 += 1
        counts[bucket] = counts.get(bucket, 0) + 1
        self.last[person] = self.changed[person] = bucket
        if self.total_2 > self.sample_max or len(self.last) > self.kept_max:
            self._shrink()
        return bucket

    def is_exact_with(self, more: int) -> bool:
        """Return whether all counts are exact, and stay exact with `more` further people."""
        session = self.session
        return (
            not self.bits
            and session.sketch is None
            and len(self.last) + more <= self.sample_max
            and len(session.members) + more <= session.exact_max
        )

    def seen_all(self, people: Mapping[str, int], bucket: int) -> None:
        """Call `seen` for each person. `people` maps each one to `bucket`: a dictionary costs a third of a loop."""
        if bucket < self.edge_0 or len(people) < FEW:
            for person in people:
                self.seen(person, bucket)
            return
        if self.bits:
            people = self._sample_of(people, bucket)
        last, session = self.last, self.session
        before = Counter(map(last.get, people, repeat(NOT_SEEN)))
        if max(before, default=NOT_SEEN) > bucket:
            people = {person: bucket for person in people if last.get(person, NOT_SEEN) < bucket}
            before = Counter({second: count for second, count in before.items() if second < bucket})
        stayed = before.pop(bucket, 0)
        if NOT_SEEN in before and last is not session.members:
            session.add_all([person for person in people if last.get(person, NOT_SEEN) < 0])
        last.update(people)
        self.changed.update(people)
        self._move(before, bucket, len(people) - stayed)
        if NOT_SEEN in before and last is session.members:
            session.grown()
        if self.total_2 > self.sample_max or len(self.last) > self.kept_max:
            self._shrink()

    def _sample_of(self, people: Mapping[str, int], bucket: int) -> Mapping[str, int]:
        """Return the people in the sample. The others are counted in the session alone."""
        chosen = dict.fromkeys(sample_of(people, self.bits), bucket)
        self.session.add_all([person for person in people if person not in chosen])
        return chosen

    def _move(self, before: Mapping[int, int], bucket: int, moved: int) -> None:
        """Move `moved` people into `bucket`, which lies in every window, out of the buckets of `before`."""
        counts = self.counts
        for second, count in before.items():
            if second < self.edge_0:
                self.total_0 += count
            if second < self.edge_1:
                self.total_1 += count
            if second < self.edge_2:
                self.total_2 += count
            elif counts[second] > count:
                counts[second] -= count
            else:
                del counts[second]
        if moved:
            counts[bucket] = counts.get(bucket, 0) + moved

    def latest(self, person: str) -> int:
        """Return the latest bucket in which a person was seen; −1: outside every window."""
        last = self.last.get(person, -1)
        return last if last >= self.edge_2 else -1

    def count(self, window: int) -> Count:
        """Return the distinct people in window 0, 1 or 2."""
        kept = self.total(window)
        if not self.bits:
            return Count(kept, "exact")
        return Count(kept << self.bits, "sketch", round(Z_95 * sqrt((1 - 0.5**self.bits) / max(kept, 1)), 4))

    def advance(self, as_of_bucket: int) -> None:
        """Move the windows, and drop people who are in no window."""
        super().advance(as_of_bucket)
        self.sweep()

    def sweep(self) -> None:
        """Drop people who are in no window, once there are enough (amortised: one visit for each one added)."""
        if len(self.last) > 2 * self.total_2 + SWEEP_SLACK and self.last is not self.session.members:
            self._sweep()

    def _sweep(self) -> None:
        self.last = {person: bucket for person, bucket in self.last.items() if bucket >= self.edge_2}

    def _shrink(self) -> None:
        self._sweep()
        bits = self.bits
        while len(self.last) > self.sample_max:
            self.bits += 1
            self.keep_sample()
        if self.bits > bits:
            self.rebuild()

    def rebuild(self) -> None:
        """Compute bucket counts and totals anew from the kept people."""
        counts = Counter(self.last.values())
        self.counts = {bucket: count for bucket, count in counts.items() if bucket >= self.edge_2}
        self.recount()

    def take_changed(self) -> dict[str, int]:
        """Return the people seen since the last call, with the latest bucket of each."""
        changed, self.changed = self.changed, {}
        return changed

    def restore(self, people: Mapping[str, int], bits: int) -> None:
        """Restore saved people; `rebuild` must follow."""
        self.last.update(people)
        self.bits = bits

    def keep_sample(self) -> None:
        """Drop people who are not in the sample, after a restore."""
        if self.bits:
            last = self.last
            self.last = {person: last[person] for person in sample_of(last, self.bits) if last[person] >= 0}

    def thin(self, bits: int) -> None:
        """Keep no larger sample than the audience that this one is a part of: both then sample the same people."""
        if bits > self.bits:
            self.bits = bits
            self.keep_sample()
            self.rebuild()


def sample_of(people: Iterable[str], bits: int) -> list[str]:
    """Return the people whose mixed 32-bit hash has `bits` zero bits on top: the same in every process and run."""
    end = 1 << (32 - bits)
    return [person for person in people if crc32(person.encode()) * 0x9E3779B1 & 0xFFFFFFFF < end]
