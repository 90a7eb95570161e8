"""What varies between two runs over the same logs: the order of pieces, and where the clock stood between them.

A partition notes each piece that it folds and each move of its clock. A cut takes the notes since the last one as
`Steps`, and the checkpoint's transaction writes them as one `Segment` to `live.journal`. Moves of the clock with
nothing folded between them are one move, because the clock does the same in one leap as in many steps: so a silent
partition notes nothing, and a busy one two to four bytes for each piece and each move.

Notes are a flat list of integers:

    topic, count                 `count` offsets of a topic, from where it stands
    topic + 8, skip, count       the same, behind a hole of `skip` offsets
    16, by                       the clock moves by so many ms, with the log
    17, by                       the clock moves by so many ms, a tick of the wall clock
    18, by                       of the next piece records are refused whose time is further ahead of the clock
    32 + 2 × topic, count        `count` offsets of a topic from number 8 on, for which there was no room
    33 + 2 × topic, skip, count  the same, behind a hole

A value is framed like a state record: format version, CRC-32, MessagePack.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

import msgspec

from stream.core.saved.frames import CorruptCheckpointError, frame, unframe
from stream.core.saved.growth import TOPICS_1, fitted, grown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SKIPPED = 8
_MORE_TOPICS = 32
_CLOCK = {"log": 16, "tick": 17}
_LATEST = 18
_SOURCE: dict[int, Literal["tick", "log"]] = {16: "log", 17: "tick"}
# Some 200 KB; the caller has a checkpoint made before the notes become too large for one record.
NOTES_MAX = 60_000

# As `dormant.Rising` has it of a partition in which no session has ended.
NOTHING_ENDED = (0, -1, False)


class BareBase(msgspec.Struct, array_like=True):
    """A base as it is written while no session has ended: as short as it always was."""

    generation: tuple[int, int, int]
    source: Literal["tick", "log"]

    @property
    def ended(self) -> tuple[int, int, bool]:
        """What no session may fall below."""
        return NOTHING_ENDED


class Base(BareBase, array_like=True):
    """The state of a partition that knows no room: a replay can begin here.

    `generation`: of remembered event ids. `rising`: what no session may fall below (`dormant.Rising`).
    """

    rising: tuple[int, int, bool] = NOTHING_ENDED

    @property
    def ended(self) -> tuple[int, int, bool]:
        """What no session may fall below."""
        return self.rising


class Steps(msgspec.Struct, array_like=True):
    """From one cut to the next. Positions of topics at the end of the contract's order are left out while they are 0.

    Attributes:
        positions_before: per input topic, in the contract's order, where the fold stood.
        clock_before_ms: the partition's clock there; −1: not known yet.
        notes: see the module.
        positions: where the fold stands now.
        clock_ms: the clock now.
        revisions: for each signal of the cut, in their order, how many documents of the room were published since the
            one before: they use up revisions, and when they are made is no matter of the log.
        base: if there was no room at the beginning, what else there was.
    """

    positions_before: list[int]
    clock_before_ms: int
    notes: list[int]
    positions: list[int]
    clock_ms: int
    revisions: list[int]
    base: Base | None


class Segment(msgspec.Struct, array_like=True):
    """One record of the journal.

    Attributes:
        epoch: of the owner, as in the checkpoint's meta record.
        seq: of the owner's transaction.
        claim: the first one of an owner, before anything was folded.
        steps: what happened since the last committed checkpoint.
        version: of Snapup; with claims and bases, else "".
        rules: the core's settings; with claims and bases, else empty.
    """

    epoch: int
    seq: int
    claim: bool
    steps: Steps
    version: str = ""
    rules: dict[str, Any] = {}


class Piece(NamedTuple):
    """Fold the records of a topic whose offsets lie in `first` to `end`, the latter not included.

    `latest_ms`: records of a later time were refused, by the wall clock of then.
    """

    topic_index: int
    first: int
    end: int
    latest_ms: int | None = None


class ClockMove(NamedTuple):
    """Move the clock."""

    clock_ms: int
    source: Literal["tick", "log"]


class JournalError(Exception):
    """A record of the journal cannot be read, or does not follow the one before it."""


class Journal:
    """Takes the notes of one partition."""

    def __init__(self, positions: Sequence[int], clock_ms: int) -> None:
        self.notes: list[int] = []
        self._positions = list(positions)
        self._before = list(positions), clock_ms
        self._now: tuple[int, Literal["tick", "log"]] = (clock_ms, "log")
        self._noted: tuple[int, Literal["tick", "log"]] = self._now
        self._base: BareBase | None = None

    @property
    def full(self) -> bool:
        """Whether a cut is needed soon."""
        return len(self.notes) > NOTES_MAX

    def begins_empty(self, generation: tuple[int, int, int], rising: tuple[int, int, bool] = NOTHING_ENDED) -> None:
        """No room is known now, at the beginning of the next steps."""
        if rising == NOTHING_ENDED:
            self._base = BareBase(generation, self._now[1])
        else:
            self._base = Base(generation, self._now[1], rising)

    def clock(self, clock_ms: int, source: Literal["tick", "log"]) -> None:
        """Note the clock and what moved it. The source may change while the time does not."""
        self._now = clock_ms, source

    def folded(self, topic_index: int, first: int, end: int, latest_ms: int | None = None) -> None:
        """A piece was folded, all of it or but for records later than `latest_ms`."""
        notes = self.notes
        if self._now != self._noted:
            self._note_clock()
        if latest_ms is not None:
            notes += (_LATEST, latest_ms - self._now[0])
        skip = first - self._positions[topic_index]
        self._positions[topic_index] = end
        kind, behind_hole = topic_index, topic_index + _SKIPPED
        if topic_index >= _SKIPPED:
            kind = _MORE_TOPICS + 2 * topic_index
            behind_hole = kind + 1
        if skip:
            notes += (behind_hole, skip, end - first)
        else:
            notes += (kind, end - first)

    def _note_clock(self) -> None:
        clock_ms, source = self._now
        self.notes += (_CLOCK[source], clock_ms - self._noted[0])
        self._noted = self._now

    def take(self, clock_ms: int, revisions: list[int]) -> Steps:
        """The steps since the last time. `clock_ms`: as it stands, whoever moved it."""
        if self._now != self._noted:
            self._note_clock()
        before, before_ms = self._before
        positions = list(self._positions)
        begin, end = grown(before, TOPICS_1, 0), grown(positions, TOPICS_1, 0)
        steps = Steps(begin, before_ms, self.notes, end, clock_ms, revisions, cast("Base | None", self._base))
        self.notes, self._before, self._base = [], (positions, clock_ms), None
        self._now = self._noted = clock_ms, self._now[1]  # the first record of all sets the clock, without a note
        return steps

    def claim(self, clock_ms: int, saved: Sequence[int]) -> Steps:
        """The steps of a take-over: none but those from the saved positions to where it goes on."""
        steps = self.take(clock_ms, [])
        steps.positions_before = grown(saved, TOPICS_1, 0)
        return steps


def steps_of(notes: Sequence[int], positions: Sequence[int], clock_ms: int) -> Iterator[Piece | ClockMove]:
    """What notes say, in order. `positions`: of all topics that may be among them.

    Raises JournalError when they are no notes.
    """
    at = list(positions)
    rest = iter(notes)
    latest_ms: int | None = None
    try:
        for kind in rest:
            if kind == _LATEST:
                latest_ms = clock_ms + next(rest)
                continue
            source = _SOURCE.get(kind)
            if source is not None:
                clock_ms += next(rest)
                yield ClockMove(clock_ms, source)
                continue
            topic_index, behind_hole = _topic_of(kind)
            first = at[topic_index] + (next(rest) if behind_hole else 0)
            at[topic_index] = first + next(rest)
            yield Piece(topic_index, first, at[topic_index], latest_ms)
            latest_ms = None
    except (StopIteration, IndexError) as error:
        raise JournalError("its notes are cut off or name a topic that does not exist") from error


def _topic_of(kind: int) -> tuple[int, bool]:
    """Which topic a note is about, and whether behind a hole.

    Raises JournalError when it is about none.
    """
    if 0 <= kind < 2 * _SKIPPED:
        return kind % _SKIPPED, kind >= _SKIPPED
    if kind >= _MORE_TOPICS + 2 * _SKIPPED:
        return (kind - _MORE_TOPICS) // 2, kind % 2 == 1
    raise JournalError(f"it has a note of a kind that is not known here, {kind}: run the Snapup that wrote it")


_decoder = msgspec.msgpack.Decoder(Segment)


def encode_segment(segment: Segment) -> bytes:
    """One record of the journal."""
    return frame(segment)


def decode_segment(value: bytes | None, where: str) -> Segment:
    """One record of the journal. `where`: topic, partition, offset.

    Raises JournalError when it is none, or of a newer version.
    """
    try:
        return unframe(b"", value or b"", _decoder)
    except CorruptCheckpointError as error:
        raise JournalError(f"{where} cannot be read: {error}") from error


def check_follows(before: Segment, after: Segment, where: str) -> None:
    """The segments of all epochs are one chain: each begins where the one before it ended.

    Raises JournalError.
    """
    expected = (before.epoch + 1, 1) if after.claim else (before.epoch, before.seq + 1)
    if (after.epoch, after.seq) != expected:
        raise JournalError(
            f"{where} is number {after.seq} of epoch {after.epoch}, after number {before.seq} of epoch {before.epoch}"
        )
    if not _go_on_at(before.steps.positions, after.steps.positions_before, is_claim=after.claim):
        raise JournalError(
            f"{where} begins at offsets {after.steps.positions_before}, the one before it ended at "
            f"{before.steps.positions}"
        )
    if after.steps.clock_before_ms != before.steps.clock_ms:
        raise JournalError(
            f"{where} begins with the clock at {after.steps.clock_before_ms}, the one before it ended at "
            f"{before.steps.clock_ms}"
        )


def _go_on_at(positions: Sequence[int], positions_before: Sequence[int], *, is_claim: bool) -> bool:
    """Whether these are the same places.

    Who takes over may know more topics than the owner before, or fewer: it begins the first where their logs begin, and
    says nothing of the others, of which nothing was folded, or else it would not have been let in.
    """
    length = min(len(positions), len(positions_before)) if is_claim else max(len(positions), len(positions_before))
    return fitted(positions, length, 0) == fitted(positions_before, length, 0)
