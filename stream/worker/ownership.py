"""Who may fold one partition, and from where: a state machine without I/O.

    ACQUIRING ──restored──► READY ──went_live──► LIVE
        │                     ▲ └──────pause──────┘│
        └───────────end───────┴────────────────────┴──► GONE

ACQUIRING: older owners are being fenced off and the state is being read. READY: the state is in memory and durable,
nothing is fetched. LIVE: the consumer stands where the state ends, and what it fetches is folded. GONE: memory is
dropped; a gone owner never comes back, a new one may be made.

A slice is folded only if it carries the owner's present token and begins exactly where the last accepted slice ended.
Neither Faust's recovery, flow control, acks, commits nor seeks can therefore lose or double a record: whatever they
do to a slice, it either fits or is refused, and a refusal leads to a new seek.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from enum import Enum, StrEnum

from msgspec import Struct

from stream.contract.decode import Record

# A fetch answer this old says nothing about the end of the log: the process was paused, or the broker is away.
END_KNOWN_FOR_MS = 3_000

# One sequence for the whole process: a token of an earlier owner of the same partition can never match a later one's.
_tokens = itertools.count(1)


class Phase(StrEnum):
    """How far an owner has come."""

    ACQUIRING = "acquiring"
    READY = "ready"
    LIVE = "live"
    GONE = "gone"


class Verdict(Enum):
    """What becomes of a slice."""

    FOLD = "fold"
    STALE = "stale"  # of another life of this partition: drop it
    GAP = "gap"  # something between fetch and fold dropped a slice: seek again


class Slice(Struct, frozen=True):
    """A run of fetched records of one partition, in offset order.

    `prev`: where the slice before it ended. Offsets may have holes (control records, compaction), so only the hand-over
    from slice to slice proves that nothing is missing.
    """

    topic_index: int
    partition: int
    token: int
    prev: int
    records: Sequence[Record]
    heavy_bytes: int = 0  # what large records in it come to

    @property
    def next_offset(self) -> int:
        """Where the slice after it begins."""
        return self.records[-1].offset + 1


class Drained(Struct, frozen=True):
    """What one look at the fetcher gave for one topic partition: all of one moment.

    Attributes:
        token: the token that was stamped at the last seek, None before the first.
        records: possibly none.
        position: the offset that the fetcher asks for next; None while a seek is pending.
        end_offset: the log's end as of the last fetch answer, as far as it is committed; None before the first.
        written_to: the log's end with what is not committed yet; None before the first.
        polled_at_ms: wall clock of that answer.
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
        partition: which.
        phase: see the module.
        token: changes whenever slices fetched before this moment must not be folded.
        accepted_to: per topic, where the last accepted slice ended.
    """

    def __init__(self, partition: int, topics: int) -> None:
        self.partition = partition
        self.phase = Phase.ACQUIRING
        self.token = next(_tokens)
        self.accepted_to = [0] * topics
        self._handed_to = [0] * topics
        self._seen: list[Drained | None] = [None] * topics
        # Per topic: where the committed part of the log stands still, with more behind it, and since when.
        self._held_up: list[tuple[int, int] | None] = [None] * topics

    # -- transitions ---------------------------------------------------------------------------------------------------

    def restored(self) -> bool:
        """The state is in memory and claimed. False when the partition went away meanwhile."""
        if self.phase is not Phase.ACQUIRING:
            return False
        self.phase = Phase.READY
        return True

    def seeking(self, positions: Sequence[int]) -> int:
        """A seek to `positions` begins: the token to stamp on what is fetched from there."""
        assert self.phase is Phase.READY, f"seek while {self.phase}"  # noqa: S101 — our own invariant
        self.token = next(_tokens)
        self.accepted_to = list(positions)
        self._handed_to = list(positions)
        self._seen = [None] * len(self._seen)
        return self.token

    def went_live(self, token: int) -> bool:
        """The seek under this token is done. False when it was overtaken by a pause or by the end."""
        if self.phase is not Phase.READY or self.token != token:
            return False
        self.phase = Phase.LIVE
        return True

    def pause(self) -> None:
        """Nothing that was fetched before this moment will be folded."""
        self.token = next(_tokens)
        if self.phase is Phase.LIVE:
            self.phase = Phase.READY

    def end(self) -> None:
        """This owner may do nothing more, for ever."""
        self.token = next(_tokens)
        self.phase = Phase.GONE

    # -- slices --------------------------------------------------------------------------------------------------------

    def cut(self, drained: Drained, slice_records: int) -> Iterator[Slice]:
        """The slices of one drain, lazily: the walk ends when the owner is paused under it.

        Raises:
            RewoundError: the records begin before the last slice's end; only a new seek helps.
        """
        token = self.token
        topic_index, records = drained.topic_index, drained.records
        if drained.token != token or self.phase is not Phase.LIVE:
            if drained.token == token and records:
                # Fetched after the seek, but the seek is not known to be done: nobody takes these records, and the
                # fetcher will not bring them again. The next slice then does not fit.
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
        """Whether a slice may be folded now; a slice that may counts as folded from here on."""
        if self.phase is not Phase.LIVE or piece.token != self.token:
            return Verdict.STALE
        if piece.prev != self.accepted_to[piece.topic_index]:
            return Verdict.GAP
        self.accepted_to[piece.topic_index] = piece.next_offset
        return Verdict.FOLD

    def on_their_way(self) -> tuple[int, ...] | None:
        """What identifies the slices that were handed out and not accepted yet; None when there are none."""
        if self.phase is not Phase.LIVE or self._handed_to == self.accepted_to:
            return None
        return (self.token, *self._handed_to, *self.accepted_to)

    # -- how far the log reaches ---------------------------------------------------------------------------------------

    def read_to(self, topic_index: int) -> int:
        """Up to where the log was read *and* accepted: past holes, but never past a slice that is still on its way."""
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
        """How long an open transaction has held up what was written behind it, as far as it was seen; 0: none does.

        The log's committed part stands still from the first offset of the oldest open transaction on, whatever else
        was written since, and by whom.
        """
        held_up, seen = self._held_up[topic_index], self._seen[topic_index]
        return 0 if held_up is None or seen is None else max(0, seen.polled_at_ms - held_up[1])

    def at_log_end(self, topic_index: int, now_ms: int) -> bool:
        """Everything that the log held at the last fetch was accepted, and that fetch was just now."""
        seen = self._seen[topic_index]
        if seen is None or seen.end_offset is None or not self.fetched_lately(topic_index, now_ms):
            return False
        return self.read_to(topic_index) >= seen.end_offset

    def fetched_lately(self, topic_index: int, now_ms: int) -> bool:
        """The broker answered a fetch of this topic just now."""
        seen = self._seen[topic_index]
        return seen is not None and now_ms - seen.polled_at_ms <= END_KNOWN_FOR_MS

    def lag_records(self, topic_index: int, folded_to: int) -> int | None:
        """Records between the fold and the log's end as last seen; None while the end is not known."""
        seen = self._seen[topic_index]
        if seen is None or seen.end_offset is None:
            return None
        if folded_to >= self.accepted_to[topic_index]:
            folded_to = self.read_to(topic_index)
        return max(0, seen.end_offset - folded_to)


class RewoundError(Exception):
    """The fetcher went back behind what it had delivered."""
