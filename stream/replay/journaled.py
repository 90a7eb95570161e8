"""One partition folded again as its journal says: the same pieces, the same moves of the clock, the same cuts.

Pure: records and segments are handed in. What comes out are the documents of `live.signals`, byte for byte, whoever
folded them then and however often somebody else took over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from stream.core.partition import PartitionFold
from stream.core.rules import Rules
from stream.core.saved.growth import fitted
from stream.core.saved.journal import ClockMove, JournalError, Piece, steps_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stream.contract.decode import Record
    from stream.core.publishing import Published
    from stream.core.saved.journal import Segment

# Workers that did not shorten documents left larger ones out of the topic.
SIGNAL_MAX_BYTES_1 = 1_000_000


class JournaledPartition:
    """Follows the segments of one partition, from one that begins without rooms.

    Args:
        partition: which.
        topics: full names of the input topics.
        first: the segment to begin with; it has a base.
        keep_state: what is saved is kept too, for a take-over under other rules: these make the rooms anew.
    """

    def __init__(self, partition: int, topics: Sequence[str], first: Segment, *, keep_state: bool) -> None:
        if first.steps.base is None:
            raise JournalError("a replay can only begin where there were no rooms")
        self._topics = tuple(topics)
        self._state: dict[bytes, bytes] | None = {} if keep_state else None
        self.fold = PartitionFold(partition, _rules_of(first), self._topics)
        self.fold.begin_at(first.steps.positions_before, first.steps.clock_before_ms, first.steps.base)

    def pieces(self, segment: Segment) -> Iterator[Piece]:
        """Move the clock as the segment says; each piece that is handed out is to be folded before the next one."""
        steps = segment.steps
        positions = fitted(steps.positions_before, len(self._topics), 0)
        for step in steps_of(steps.notes, positions, steps.clock_before_ms):
            if isinstance(step, ClockMove):
                self.fold.advance(*step)
            else:
                yield step

    def take(self, piece: Piece, records: Sequence[Record]) -> None:
        """Fold the records of a piece.

        Raises JournalError when they are not the whole piece.
        """
        if not records or records[0].offset != piece.first or records[-1].offset != piece.end - 1:
            topic = self._topics[piece.topic_index]
            raise JournalError(
                f"{topic}, partition {self.fold.partition}, does not hold offsets {piece.first} to {piece.end - 1} any "
                "more, which were folded"
            )
        self.fold.fold(piece.topic_index, records, piece.latest_ms)

    def cut(self, segment: Segment) -> list[Published]:
        """The end of a segment: the documents that its transaction wrote to `live.signals`, in its order.

        Raises JournalError when the fold has not come to where the segment ends.
        """
        if segment.claim:
            self._take_over(segment)
            return []
        steps = segment.steps
        cut = self.fold.cut(segment.epoch, steps.revisions)
        positions = fitted(steps.positions, len(self._topics), 0)
        if (list(cut.positions), cut.clock_ms) != (positions, steps.clock_ms):
            raise JournalError(
                f"the replay stands at offsets {list(cut.positions)}, clock {cut.clock_ms}; the journal at "
                f"{positions}, clock {steps.clock_ms}"
            )
        if self._state is not None:
            for key, value in cut.records:
                if value is None:
                    self._state.pop(key, None)
                else:
                    self._state[key] = value
        if self.fold.rules.signal_max_bytes:
            return cut.signals
        return [each for each in cut.signals if len(each.document) <= SIGNAL_MAX_BYTES_1]

    def _take_over(self, claim: Segment) -> None:
        steps = claim.steps
        rules = _rules_of(claim)
        if rules != self.fold.rules:
            if self._state is None:
                raise JournalError(f"epoch {claim.epoch} began under other settings, and the state was not kept")
            fold = PartitionFold(self.fold.partition, rules, self._topics)
            for key, value in self._state.items():
                fold.load(key, value)
            fold.loaded(steps.positions, steps.clock_ms)
            self.fold = fold
        self.fold.clock_source = "log"  # until the new owner says what moves its clock
        # Elsewhere than where the one before stood: behind a loss that was accepted, or at the begin of a new topic.
        self.fold.go_on_at(steps.positions)


def isolation_of(segment: Segment) -> str:
    """Which records of the inputs its owner read; of a segment that has rules.

    Raises JournalError when this version does not know them.
    """
    return _rules_of(segment).isolation


def _rules_of(segment: Segment) -> Rules:
    """The settings under which a claim or a base was written.

    Raises JournalError when this version does not know them.
    """
    if unknown := sorted(segment.rules.keys() - {field.name for field in msgspec.structs.fields(Rules)}):
        raise JournalError(f"it was written by Snapup {segment.version} with settings unknown here: {unknown}")
    return msgspec.convert(segment.rules, Rules)
