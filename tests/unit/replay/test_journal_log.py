"""Where a replay may begin, over an upgrade: segments that say nothing of a topic, or of its first records."""

from __future__ import annotations

from stream.core.saved.growth import TOPICS_1
from stream.core.saved.journal import Base, Segment, Steps
from stream.replay.journal_log import _folded_deleted, _may_begin

BEGINS = [0, 0, 0, 0, 0, 0, 5]  # of the last topic the first five records are deleted


def segment(before: list[int], after: list[int], *, claim: bool = False, base: bool = True) -> Segment:
    made = Base((0, 0, 0), "log") if base else None
    return Segment(1, 1, claim=claim, steps=Steps(before, 0, [], after, 0, [], made))


def test_a_segment_that_knows_fewer_topics_may_be_the_beginning_whatever_became_of_the_others() -> None:
    assert _may_begin(segment([3] * TOPICS_1, [4] * TOPICS_1), BEGINS)
    assert _may_begin(segment([3] * TOPICS_1 + [5], [4] * (TOPICS_1 + 1)), BEGINS)
    assert not _may_begin(segment([3] * TOPICS_1 + [4], [4] * (TOPICS_1 + 1)), BEGINS)
    assert not _may_begin(segment([3] * TOPICS_1, [4] * TOPICS_1), [4, *BEGINS[1:]])
    assert not _may_begin(segment([3] * TOPICS_1, [4] * TOPICS_1, base=False), BEGINS)


def test_what_was_folded_of_it_and_is_deleted_forbids_every_beginning_before() -> None:
    """Position 0 is left out: where it stands at the beginning does not say whether it is folded later."""
    assert _folded_deleted(segment([3] * TOPICS_1, [3] * TOPICS_1 + [2]), BEGINS)
    assert _folded_deleted(segment([3] * TOPICS_1 + [2], [3] * TOPICS_1 + [9]), BEGINS)
    assert not _folded_deleted(segment([3] * TOPICS_1, [9] * TOPICS_1), BEGINS)
    assert not _folded_deleted(segment([3] * TOPICS_1 + [5], [3] * TOPICS_1 + [9]), BEGINS)
    # Who takes over begins a new topic where its log begins.
    assert not _folded_deleted(segment([3] * TOPICS_1, [3] * TOPICS_1 + [5], claim=True), BEGINS)
