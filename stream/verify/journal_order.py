"""The order in which the workers folded, and their clock: the journal, read without code of the worker.

A record of the journal describes one checkpoint: the pieces of the input topics folded since the last one, the moves of
the clock between them, and the number of documents written to `signals`. The journal's shape is written a second time
here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from zlib import crc32

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# The frame: one byte of format version and four of a CRC-32 stand before the MessagePack.
_FRAME_BYTES, _FORMAT = 5, 1
# Notes: a topic below 8, or 8 more after a gap; from 32 on two for each further topic; and moves of the clock.
_TOPICS_OF_OLD, _FURTHER_TOPICS = 8, 32
_CLOCK_NOTES, _LATEST_NOTE = (16, 17), 18


class JournalUnreadableError(Exception):
    """A record that this version cannot read as one of the journal."""


class _Steps(Struct, array_like=True):
    positions_before: list[int]
    clock_before_ms: int
    notes: list[int]
    positions: list[int]
    clock_ms: int
    revisions: list[int]
    base: Any = None


class Told(Struct, array_like=True):
    """One record of the journal, with the journal's own field names."""

    epoch: int
    seq: int
    claim: bool
    steps: _Steps
    version: str = ""
    rules: dict[str, Any] = {}

    @property
    def begins_empty(self) -> bool:
        """Whether no room was known at its beginning: a recount along the journal can begin here."""
        return self.steps.base is not None

    @property
    def clock_before_ms(self) -> int:
        """The clock at the record's beginning; −1: not known yet."""
        return self.steps.clock_before_ms

    @property
    def clock_ms(self) -> int:
        """The clock at the record's end, as in documents: 0 while it is unknown."""
        return max(self.steps.clock_ms, 0)

    def positions_before(self, topics: int) -> list[int]:
        """The positions of the fold at the record's beginning, for `topics` topics."""
        return _fitted(self.steps.positions_before, topics)

    def documents(self) -> int:
        """The number of documents written to `signals`."""
        return len(self.steps.revisions)


class Folded(NamedTuple):
    """The records of a topic from `first` up to `end` were folded, except those later than `latest_ms`."""

    topic: int
    first: int
    end: int
    latest_ms: int | None


_decode = msgspec.msgpack.Decoder(Told).decode


def read_journal(value: bytes | None) -> Told:
    """One record of the journal.

    Raises:
        JournalUnreadableError: the value is no readable record.
    """
    if value is None or len(value) < _FRAME_BYTES or value[0] != _FORMAT:
        raise JournalUnreadableError("no record of the journal that this version reads")
    payload = value[_FRAME_BYTES:]
    if crc32(payload) != int.from_bytes(value[1:_FRAME_BYTES], "big"):
        raise JournalUnreadableError("its checksum is wrong")
    try:
        return _decode(payload)
    except msgspec.DecodeError as error:
        raise JournalUnreadableError(f"not of the journal's shape: {error}") from None


def folded(told: Told, topics: int) -> Iterator[Folded | int]:
    """The record's steps in order: a piece of a topic, or the moment to which the clock was moved (ms).

    Raises:
        JournalUnreadableError: the notes are not readable.
    """
    at, clock_ms, latest_ms = told.positions_before(topics), told.steps.clock_before_ms, None
    notes = iter(told.steps.notes)
    try:
        for note in notes:
            if note in _CLOCK_NOTES:
                clock_ms += next(notes)
                yield clock_ms
            elif note == _LATEST_NOTE:
                latest_ms = clock_ms + next(notes)
            else:
                topic, skips = _topic_of(note)
                first = at[topic] + (next(notes) if skips else 0)
                at[topic] = first + next(notes)
                yield Folded(topic, first, at[topic], latest_ms)
                latest_ms = None
    except (StopIteration, IndexError) as error:
        raise JournalUnreadableError("its notes are cut off, or name a topic that is not known here") from error
    yield told.steps.clock_ms


def _topic_of(note: int) -> tuple[int, bool]:
    if 0 <= note < 2 * _TOPICS_OF_OLD:
        return note % _TOPICS_OF_OLD, note >= _TOPICS_OF_OLD
    if note >= _FURTHER_TOPICS + 2 * _TOPICS_OF_OLD:
        return (note - _FURTHER_TOPICS) // 2, bool(note % 2)
    raise JournalUnreadableError(f"it has a note of a kind that is not known here: {note}")


def _fitted(positions: Sequence[int], topics: int) -> list[int]:
    return [*positions[:topics], *[0] * (topics - len(positions))]
