"""The journal read a second time: what it tells is what was noted, and what is no journal is said to be none."""

from __future__ import annotations

import pytest

from stream.contract.events import TOPIC_NAMES
from stream.core.saved.journal import Journal, Segment, encode_segment
from stream.verify.journal_order import Folded, JournalUnreadableError, folded, read_journal

TOPICS = len(TOPIC_NAMES)


def told(journal: Journal, clock_ms: int = 9_000, revisions: tuple[int, ...] = ()) -> bytes:
    steps = journal.take(clock_ms, list(revisions))
    return encode_segment(Segment(3, 7, claim=False, steps=steps, version="1", rules={"hold_ms": 5}))


def test_pieces_holes_moves_and_refusals_come_in_their_order() -> None:
    journal = Journal([0] * TOPICS, 1_000)
    journal.begins_empty((0, 0, 0))
    journal.folded(3, 0, 10)
    journal.clock(1_500, "log")
    journal.folded(4, 5, 6)  # behind a hole of five offsets
    journal.clock(2_000, "tick")
    journal.folded(3, 10, 12, 1_900)
    journal.clock(9_000, "tick")
    read = read_journal(told(journal, revisions=(1, 0)))
    assert (read.epoch, read.seq, read.claim, read.begins_empty, read.documents()) == (3, 7, False, True, 2)
    assert read.rules == {"hold_ms": 5}
    assert [*folded(read, TOPICS)] == [
        Folded(3, 0, 10, None),
        1_500,
        Folded(4, 5, 6, None),
        2_000,
        Folded(3, 10, 12, 1_900),
        9_000,
        9_000,
    ]


def test_topics_beyond_the_eighth_have_notes_of_their_own() -> None:
    journal = Journal([0] * 10, 0)
    journal.folded(9, 0, 4)
    journal.folded(9, 6, 8)
    steps = [step for step in folded(read_journal(told(journal)), 10) if isinstance(step, Folded)]
    assert steps == [Folded(9, 0, 4, None), Folded(9, 6, 8, None)]


@pytest.mark.parametrize("value", [None, b"", b"abc", b"\x09" + bytes(20), b"\x01" + bytes(20)])
def test_what_is_no_record_of_the_journal_is_said_to_be_none(value: bytes | None) -> None:
    with pytest.raises(JournalUnreadableError):
        read_journal(value)


def test_a_topic_that_is_not_known_and_notes_that_are_cut_off_are_refused() -> None:
    journal = Journal([0] * 10, 0)
    journal.folded(9, 0, 4)
    with pytest.raises(JournalUnreadableError, match="not known here"):
        [*folded(read_journal(told(journal)), TOPICS)]
    read = read_journal(told(Journal([0] * TOPICS, 0)))
    for notes, words in (([3], "cut off"), ([25, 1], "a kind that is not known")):
        read.steps.notes = notes
        with pytest.raises(JournalUnreadableError, match=words):
            [*folded(read, TOPICS)]
