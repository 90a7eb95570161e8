"""Who may fold one partition, and from where: a state machine without I/O.

    ACQUIRING ──restored──► READY ──went_live──► LIVE
        │                     ▲ └──────pause──────┘│
        └───────────end───────┴────────────────────┴──► GONE

ACQUIRING: the owner fences off older owners and reads the state. READY: the state is in memory and durable, and nothing
is fetched. LIVE: the consumer stands where the state ends, and the fold takes the records that it fetches. GONE: the
state is dropped. A gone owner never comes back; a new owner may be made.

A slice is folded only if it carries the owner's present token and begins exactly where the last accepted slice ended.
So Faust's recovery, flow control, acks, commits and seeks can neither lose nor double a record: whatever they do to a
slice, the slice either fits or is refused, and a refusal leads to a new seek.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from enum import Enum, StrEnum

from msgspec import Struct

from stream.contract.decode import Record

# An older fetch answer says nothing about the end of the log: the process was paused, or the broker is away.
END_KNOWN_FOR_MS = 3_000

# One sequence for the whole process, so that the tokens of two owners of a partition can never be equal.
_tokens = itertools.count(1)


class Phase(StrEnum):
    """How far an owner has come."""

    ACQUIRING = "acquiring"
    READY = "ready"
    LIVE = "live"
    GONE = "gone"


class Verdict(Enum):
    """The fate of a slice."""

    FOLD = "fold"
    STALE = "stale"  # of another life of this partition: drop it
    GAP = "gap"  # something between fetch and fold dropped a slice: seek again


class Slice(Struct, frozen=True):
    """A run of fetched records of one partition, in offset order.

    `prev`: the offset at which the slice before ended. Offsets may have holes (control records, compaction), so only
    the hand-over from slice to slice proves that no record is missing.
    """

    topic_index: int
    partition: int
    token: int
    prev: int
    records: Sequence[Record]
    heavy_bytes: int = 0  # the bytes of its large records

    @property
    def next_offset(self) -> int:
        """The offset at which the next slice begins."""
        return self.records[-1].offset + 1


class Drained(Struct, frozen=True):
    """What one look at the fetcher gave for one topic partition: all of one moment.

    Attributes:
        token: the token that was stamped at the last seek; None before the first.
        records: the records, possibly none.
        position: the offset that the fetcher asks for next; None while a seek is pending.
        end_offset: the end of the log's committed part at the last fetch answer; None before the first.
        written_to: the log's end with uncommitted records at the last fetch answer; None before the first.
        polled_at_ms: the wall clock of the last fetch answer.
    """

    topic_index: int
    partition: int
    token: int | None
    records: Sequence[Record]
    position: int | None
    end_offset: int | None
    polled_at_ms: int
    written_to: int | None = None


class Ownership:
    """The ownership of one partition by this process.

    Attributes:
        partition: the partition.
        phase: how far the owner has come; see the module.
        token: changes whenever slices that were fetched before must not be folded.
        accepted_to: per topic, the offset at which the last accepted slice ended.
    """

    def __init__(self, partition: int, topics: int) -> None:
        self.partition = partition
        self.phase = Phase.ACQUIRING
        self.token = next(_tokens)
        self.accepted_to = [0] * topics
        self._handed_to = [0] * topics
        self._seen: list[Drained | None] = [None] * topics
        # Per topic: where the log's committed part stands still before further records, and since when.
        self._held_up: list[tuple[int, int] | None] = [None] * topics

    # -- transitions ---------------------------------------------------------------------------------------------------

    def restored(self) -> bool:
        """Become READY: the state is in memory, the owner announced. False when the partition went away meanwhile."""
        if self.phase is not Phase.ACQUIRING:
            return False
        self.phase = Phase.READY
        return True

    def seeking(self, positions: Sequence[int]) -> int:
        """The token to stamp on records that are fetched after the seek to `positions` that begins now."""
        assert self.phase is Phase.READY, f"seek while {self.phase}"  # noqa: S101 — our own invariant
        self.token = next(_tokens)
        self.accepted_to = list(positions)
        self._handed_to = list(positions)
        self._seen = [None] * len(self._seen)
        return self.token

    def went_live(self, token: int) -> bool:
        """Become LIVE: the seek under this token is done. False when a pause or the end overtook the seek."""
        if self.phase is not Phase.READY or self.token != token:
            return False
        self.phase = Phase.LIVE
        return True

    def pause(self) -> None:
        """Fold no record that was fetched before this moment."""
        self.token = next(_tokens)
        if self.phase is Phase.LIVE:
            self.phase = Phase.READY

    def end(self) -> None:
        """Become GONE: this owner may never do anything again."""
        self.token = next(_tokens)
        self.phase = Phase.GONE

    # -- slices --------------------------------------------------------------------------------------------------------

    def cut(self, drained: Drained, slice_records: int) -> Iterator[Slice]:
        """The slices of one drain. They are made lazily, and end when the owner is paused meanwhile.

        Raises:
            RewoundError: the records begin before the end of the last slice. Only a new seek helps.
        """
        token = self.token
        topic_index, records = drained.topic_index, drained.records
        if drained.token != token or self.phase is not Phase.LIVE:
            if drained.token == token and records:
                # The records were fetched after the seek, but the seek is not known to be done. Nobody takes them, and
                # the fetcher does not bring them again, so the next slice will not fit.
                self._handed_to[topic_index] = records[-1].offset + 1
            return
        self._seen[topic_index] = drained
        self._note_held_up(drained)
        heavy_bytes = getattr(records, "heavy_bytes", 0)
        for start in range(0, len(records), slice_records):
            piece = Slice(
                topic_index=topic_index,
                partition=self.partition,
                token=token,
                prev=self._handed_to[topic_index],
                records=records[start : start + slice_records],
                heavy_bytes=0 if start else heavy_bytes,
            )
            if piece.records[0].offset < piece.prev:
                raise RewoundError(f"fetched from {piece.records[0].offset}, expected {piece.prev} or later")
            self._handed_to[topic_index] = piece.next_offset
            yield piece
            if self.token != token:
                return

    def accept(self, piece: Slice) -> Verdict:
        """Whether a slice may be folded now. If it may, it counts as folded from here on."""
        if self.phase is not Phase.LIVE or piece.token != self.token:
            return Verdict.STALE
        if piece.prev != self.accepted_to[piece.topic_index]:
            return Verdict.GAP
        self.accepted_to[piece.topic_index] = piece.next_offset
        return Verdict.FOLD

    def on_their_way(self) -> tuple[int, ...] | None:
        """The identity of the slices that were handed out and not accepted yet; None when there are none."""
        if self.phase is not Phase.LIVE or self._handed_to == self.accepted_to:
            return None
        return (self.token, *self._handed_to, *self.accepted_to)

    # -- how far the log reaches ---------------------------------------------------------------------------------------

    def read_to(self, topic_index: int) -> int:
        """The offset up to which the log was read and accepted. It passes holes, but never a slice on its way."""
        seen, accepted = self._seen[topic_index], self.accepted_to[topic_index]
        if seen is None or seen.position is None or accepted != self._handed_to[topic_index]:
            return accepted
        return max(accepted, seen.position)

    def _note_held_up(self, drained: Drained) -> None:
        topic_index, stable, written = drained.topic_index, drained.end_offset, drained.written_to
        if stable is None or written is None or written <= stable:
            self._held_up[topic_index] = None
        elif (held_up := self._held_up[topic_index]) is None or held_up[0] != stable:
            self._held_up[topic_index] = (stable, drained.polled_at_ms)

    def held_up_ms(self, topic_index: int) -> int:
        """How long an open transaction has held up the records behind it, as far as we saw it; 0: none does.

        The log's committed part stands still at the first offset of the oldest open transaction, whatever any producer
        has written since.
        """
        held_up, seen = self._held_up[topic_index], self._seen[topic_index]
        return 0 if held_up is None or seen is None else max(0, seen.polled_at_ms - held_up[1])

    def at_log_end(self, topic_index: int, now_ms: int) -> bool:
        """Whether the last fetch was just now, and all records that the log held then were accepted."""
        seen = self._seen[topic_index]
        if seen is None or seen.end_offset is None or not self.fetched_lately(topic_index, now_ms):
            return False
        return self.read_to(topic_index) >= seen.end_offset

    def fetched_lately(self, topic_index: int, now_ms: int) -> bool:
        """Whether the broker answered a fetch of this topic just now."""
        seen = self._seen[topic_index]
        return seen is not None and now_ms - seen.polled_at_ms <= END_KNOWN_FOR_MS

    def polled_at_ms(self) -> int:
        """The wall clock of the last fetch answer for any topic of this partition; 0: there was none."""
        return max((seen.polled_at_ms for seen in self._seen if seen is not None), default=0)

    def lag_records(self, topic_index: int, folded_to: int) -> int | None:
        """The number of records between the fold and the log's last known end; None while no end is known."""
        seen = self._seen[topic_index]
        if seen is None or seen.end_offset is None:
            return None
        if folded_to >= self.accepted_to[topic_index]:
            folded_to = self.read_to(topic_index)
        return max(0, seen.end_offset - folded_to)


class RewoundError(Exception):
    """The fetcher delivered records from before what it had delivered already."""
