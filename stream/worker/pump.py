"""The way of one partition from accepted slices to folded state: accept, merge, fold, move the clock.

A pump waits for nothing. `steps` stops wherever something else may have its turn; the fold's loop decides whether to
wait there. Between two stops state, offsets and clock move together. After a stop the owner may be gone or paused, so
`steps` compares the token and ends. Records taken from the merge and not folded by then are not lost: the next seek
begins at the positions of the fold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.contract.events import MAX_AHEAD_MS
from stream.core.merge import CREATE_TIME
from stream.worker.ownership import Ownership, Phase, Slice, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from stream.contract.decode import Record
    from stream.core.merge import TopicMerge
    from stream.core.partition import PartitionFold

# The loop looks at the time after this many records: about 9 ms of folding, 50 ms where all of them are orders. The
# fold takes all events of one room and piece at once; pieces of 1 000 records cost a fifth more.
PIECE_RECORDS = 2_500
# Beyond these, refused records in memory call for a checkpoint at once.
REFUSED_MAX = 5_000
REFUSED_MAX_BYTES = 16 * 1024 * 1024
# The clock moves in pieces of at most this many ending sessions: about 9 ms.
ENDS_A_TURN = 100
# Beyond this many ended sessions in memory a checkpoint is due at once. A cut with this many takes about 0.2 s.
UNSAVED_ENDS_MAX = 2_000
# After this long, a slice that was handed out and did not come counts as lost. Without this limit, the next record of
# the topic would be the first to show that the last slice before a silence is missing.
LOST_AFTER_S = 1.0


class Pump:
    """Folds one partition.

    Attributes:
        busy: a task folds this partition now; no other task may.

    Args:
        ownership: decides which slices may be folded.
        merge: holds the slices that wait for their turn.
        fold: the state.
    """

    def __init__(self, ownership: Ownership, merge: TopicMerge, fold: PartitionFold) -> None:
        self._ownership = ownership
        self._merge = merge
        self._fold = fold
        self.busy = False
        self._on_their_way: tuple[int, ...] | None = None
        self._same_since_s = 0.0

    def offer(self, piece: Slice) -> Verdict:
        """What becomes of a slice. A slice that may be folded waits in the merge from here on."""
        verdict = self._ownership.accept(piece)
        if verdict is Verdict.FOLD:
            self._merge.offer(piece.topic_index, piece.records, piece.heavy_bytes)
        return verdict

    def steps(self, now_ms: Callable[[], int], *, wall_clock: bool) -> Iterator[bool]:
        """Fold what may be folded and move the clock. Each step says whether others must have their turn now.

        Where a step says False, others need their turn only if the loop's time is up.

        Args:
            now_ms: the wall clock.
            wall_clock: the wall clock moves the fold's clock once all topics are read to their end.
        """
        ownership, merge, fold = self._ownership, self._merge, self._fold
        token = ownership.token
        self._mark_log_ends(now_ms())
        # Advance before the first piece too: after a long pause the checkpoint's clock is far behind.
        yield from self._advance(_wall_ms(now_ms, wall_clock))
        if ownership.token != token:
            return
        while ownership.phase is Phase.LIVE:
            wall_ms = _wall_ms(now_ms, wall_clock)
            taken = merge.take(wall_ms)
            if taken is None:
                break
            topic_index, records = taken
            for start in range(0, len(records), PIECE_RECORDS):
                latest_ms = None if merge.trusts_times else _latest_ms(records, wall_ms)
                fold.fold(topic_index, _piece(records, start), latest_ms)
                yield False
                if ownership.token != token:
                    return
            yield from self._advance(_wall_ms(now_ms, wall_clock))
            if ownership.token != token:
                return
            self._mark_log_ends(now_ms())
        if ownership.phase is Phase.LIVE:
            yield from self._advance(_wall_ms(now_ms, wall_clock))

    def _mark_log_ends(self, now_ms: int) -> None:
        for topic_index in range(len(self._ownership.accepted_to)):
            self._merge.set_log_end(topic_index, self._ownership.at_log_end(topic_index, now_ms))

    def _advance(self, wall_ms: int | None) -> Iterator[bool]:
        """Move the fold's clock to the merge's, in pieces while many sessions end. Stops short if the token changes."""
        token = self._ownership.token
        clock_ms, source = self._merge.clock_ms(wall_ms)
        if clock_ms < 0:
            return
        while not self._fold.advance(clock_ms, source, ENDS_A_TURN):
            yield True
            if self._ownership.token != token:
                return

    def must_save(self) -> bool:
        """Whether so much waits in memory for the next checkpoint that the checkpoint must be made now."""
        fold = self._fold
        refused = len(fold.refused) > REFUSED_MAX or fold.refused_bytes > REFUSED_MAX_BYTES
        return refused or fold.journal.full or fold.unsaved_ends() > UNSAVED_ENDS_MAX

    def misses_slices(self, now_s: float, *, handling: bool) -> bool:
        """Whether the same slices are on their way for longer than `LOST_AFTER_S`, at every look since.

        Args:
            now_s: monotonic time of this look.
            handling: the agent works on slices right now; this look then says nothing and the wait begins anew.
        """
        slices = None if handling else self._ownership.on_their_way()
        if slices != self._on_their_way:
            self._on_their_way, self._same_since_s = slices, now_s
        return slices is not None and now_s - self._same_since_s > LOST_AFTER_S


def _wall_ms(now_ms: Callable[[], int], wall_clock: bool) -> int | None:  # noqa: FBT001 — handed through
    return now_ms() if wall_clock else None


def _latest_ms(records: Sequence[Record], wall_ms: int | None) -> int | None:
    """The latest record time that is not too far ahead of the wall clock.

    None where the wall clock does not rule, or where the broker and not the producer wrote the times.
    """
    if wall_ms is None or getattr(records[-1], "timestamp_type", None) != CREATE_TIME:
        return None
    return wall_ms + MAX_AHEAD_MS


def _piece(records: Sequence[Record], start: int) -> Sequence[Record]:
    return records if len(records) <= PIECE_RECORDS else records[start : start + PIECE_RECORDS]
