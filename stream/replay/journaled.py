"""One partition folded again as its journal says: the same pieces, the same moves of the clock, the same cuts.

Pure: the caller hands in records and segments. The result is the documents of `live.signals`, byte for byte, whatever
workers folded them then and however often one took over from another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from stream.core.mechanic import NO_MECHANICS
from stream.core.partition import PartitionFold
from stream.core.rules import Rules
from stream.core.saved.growth import fitted
from stream.core.saved.journal import ClockMove, JournalError, Piece, steps_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stream.contract.decode import Record
    from stream.core.mechanic import Installed
    from stream.core.publishing import Published
    from stream.core.saved.journal import Segment

# Early workers did not shorten documents: they left larger ones out of the topic.
SIGNAL_MAX_BYTES_1 = 1_000_000


class JournaledPartition:
    """Follows the segments of one partition, from a segment that begins without rooms.

    Args:
        partition: its number.
        topics: full names of the input topics.
        first: the segment to begin with; it has a base.
        keep_state: whether to keep the saved state, for a take-over under other rules, which makes the rooms anew.
        mechanics: all mechanics; the journal says which of them were known.
    """

    def __init__(
        self,
        partition: int,
        topics: Sequence[str],
        first: Segment,
        *,
        keep_state: bool,
        mechanics: Installed = NO_MECHANICS,
    ) -> None:
        if first.steps.base is None:
            raise JournalError("a replay can only begin where there were no rooms")
        self._topics = tuple(topics)
        self._mechanics = mechanics
        self._state: dict[bytes, bytes] | None = {} if keep_state else None
        self.fold = self._new_fold(partition, _rules_of(first))
        self.fold.begin_at(first.steps.positions_before, first.steps.clock_before_ms, first.steps.base)

    def _new_fold(self, partition: int, rules: Rules) -> PartitionFold:
        if unknown := sorted(rules.mechanics.keys() - self._mechanics.of_name.keys()):
            raise JournalError(f"it was written by a Snapup with mechanics that are unknown here: {', '.join(unknown)}")
        return PartitionFold(partition, rules, self._topics, mechanics=self._mechanics)

    def pieces(self, segment: Segment) -> Iterator[Piece]:
        """The pieces of a segment, the clock moved as it says; fold each piece before taking the next."""
        steps = segment.steps
        positions = fitted(steps.positions_before, len(self._topics), 0)
        for step in steps_of(steps.notes, positions, steps.clock_before_ms):
            if isinstance(step, ClockMove):
                self.fold.advance(*step)
            else:
                yield step

    def take(self, piece: Piece, records: Sequence[Record]) -> None:
        """Fold the records of a piece.

        Raises JournalError when the records are not the whole piece.
        """
        if not records or records[0].offset != piece.first or records[-1].offset != piece.end - 1:
            topic = self._topics[piece.topic_index]
            raise JournalError(
                f"{topic}, partition {self.fold.partition}, does not hold offsets {piece.first} to {piece.end - 1} any "
                "more, which were folded"
            )
        self.fold.fold(piece.topic_index, records, piece.latest_ms)

    def cut(self, segment: Segment) -> list[Published]:
        """The documents that a segment's transaction wrote to `live.signals`, in its order; ends the segment.

        Raises JournalError when the fold stands elsewhere than the segment's end.
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
            fold = self._new_fold(self.fold.partition, rules)
            for key, value in self._state.items():
                fold.load(key, value)
            fold.loaded(steps.positions, steps.clock_ms)
            self.fold = fold
        self.fold.clock_source = "log"  # until the new owner says what moves its clock
        # The new owner may stand elsewhere: behind an accepted loss, or at the beginning of a new topic.
        self.fold.go_on_at(steps.positions)


def isolation_of(segment: Segment) -> str:
    """The isolation at which the owner read the inputs, from a segment with rules.

    Raises JournalError when this version does not know the rules.
    """
    return _rules_of(segment).isolation


def _rules_of(segment: Segment) -> Rules:
    """The settings under which a claim or a base was written.

    Raises JournalError when this version does not know the settings.
    """
    if unknown := sorted(segment.rules.keys() - {field.name for field in msgspec.structs.fields(Rules)}):
        raise JournalError(f"it was written by Snapup {segment.version} with settings unknown here: {unknown}")
    return msgspec.convert(segment.rules, Rules)
