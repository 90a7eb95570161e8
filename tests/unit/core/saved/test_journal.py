from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from stream.core.saved.journal import (
    NOTES_MAX,
    ClockMove,
    Journal,
    JournalError,
    Piece,
    Segment,
    Steps,
    check_follows,
    decode_segment,
    encode_segment,
    steps_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

BEGIN = [0, 5, 0, 0, 0, 0]


def journal() -> Journal:
    return Journal(BEGIN, -1)


def segment(seq: int = 2, *, epoch: int = 1, claim: bool = False, positions: tuple[int, int] = (0, 9)) -> Segment:
    steps = Steps([positions[0]], 10 * positions[0], [0, positions[1] - positions[0]], [positions[1]], 90, [3], None)
    return Segment(epoch, seq, claim, steps)


def test_pieces_and_moves_of_the_clock_come_back_in_their_order() -> None:
    notes = journal()
    notes.folded(1, 5, 8)
    notes.clock(1_000, "log")
    notes.folded(0, 0, 2)
    notes.clock(1_000, "tick")
    notes.folded(1, 8, 9)
    steps = notes.take(1_000, [])
    assert list(steps_of(steps.notes, steps.positions_before, steps.clock_before_ms)) == [
        Piece(1, 5, 8),
        ClockMove(1_000, "log"),
        Piece(0, 0, 2),
        ClockMove(1_000, "tick"),
        Piece(1, 8, 9),
    ]
    assert steps.positions == [2, 9, 0, 0, 0, 0]


def test_a_hole_in_the_offsets_is_noted() -> None:
    notes = journal()
    notes.folded(1, 7, 9)
    steps = notes.take(0, [])
    assert list(steps_of(steps.notes, BEGIN, -1)) == [Piece(1, 7, 9)]


def test_a_silent_partition_notes_one_move_however_often_the_clock_ticks() -> None:
    notes = journal()
    for clock_ms in range(0, 100_000, 100):
        notes.clock(clock_ms, "tick")
    steps = notes.take(99_900, [])
    assert list(steps_of(steps.notes, BEGIN, -1)) == [ClockMove(99_900, "tick")]


def test_each_take_begins_where_the_one_before_ended() -> None:
    notes = journal()
    notes.folded(0, 0, 4)
    notes.clock(50, "log")
    first = notes.take(50, [1])
    notes.clock(60, "log")
    second = notes.take(60, [])
    assert (second.positions_before, second.clock_before_ms) == (first.positions, first.clock_ms)
    assert (first.revisions, second.revisions) == ([1], [])
    assert list(steps_of(second.notes, second.positions_before, second.clock_before_ms)) == [ClockMove(60, "log")]


def test_a_slice_costs_a_few_bytes() -> None:
    notes = journal()
    for number in range(1_000):
        notes.folded(0, number * 40, number * 40 + 40)
        notes.clock(number * 50, "tick")
    assert len(encode_segment(Segment(1, 2, False, notes.take(50_000, [])))) < 1_000 * 4 + 100


def test_it_says_when_it_grows_too_large() -> None:
    notes = journal()
    for number in range(NOTES_MAX // 2):
        notes.folded(0, number, number + 1)
    seen = [notes.full]
    notes.folded(0, NOTES_MAX // 2, NOTES_MAX // 2 + 1)
    seen.append(notes.full)
    notes.take(0, [])
    seen.append(notes.full)
    assert seen == [False, True, False]


def test_where_there_is_no_room_a_replay_can_begin() -> None:
    notes = journal()
    notes.clock(7, "tick")
    notes.begins_empty((4, 5, 6))
    base = notes.take(7, []).base
    assert base is not None
    assert (base.generation, base.source) == ((4, 5, 6), "tick")
    assert notes.take(7, []).base is None


def test_a_segment_comes_back_from_its_bytes_and_no_others_do() -> None:
    raw = encode_segment(segment())
    assert decode_segment(raw, "x") == segment()


@pytest.mark.parametrize("damage", [lambda _: None, lambda raw: raw[:-1], lambda raw: b"\x09" + raw[1:]])
def test_what_is_no_segment_is_refused_with_its_place(damage: Callable[[bytes], bytes | None]) -> None:
    with pytest.raises(JournalError, match="journal/3@7"):
        decode_segment(damage(encode_segment(segment())), "journal/3@7")


@pytest.mark.parametrize("notes", [[0], [8, 1], [16], [6, 1], [0, 1, 17]])
def test_notes_that_are_cut_off_are_an_error(notes: list[int]) -> None:
    with pytest.raises(JournalError, match="cut off"):
        list(steps_of(notes, BEGIN, 0))


def test_segments_are_one_chain() -> None:
    first, second = segment(2), segment(3, positions=(9, 12))
    check_follows(first, second, "x")
    check_follows(first, replace(second, epoch=2, seq=1, claim=True), "x")


@pytest.mark.parametrize(
    ("after", "says"),
    [
        (segment(4, positions=(9, 12)), "number 4 of epoch 1"),
        (segment(3, epoch=2, positions=(9, 12)), "number 3 of epoch 2"),
        (segment(1, epoch=3, claim=True, positions=(9, 12)), "number 1 of epoch 3"),
        (segment(3, positions=(8, 12)), r"begins at offsets \[8\]"),
        (replace(segment(3), steps=replace(segment(3, positions=(9, 12)).steps, clock_before_ms=89)), "clock at 89"),
    ],
)
def test_a_gap_in_the_chain_is_an_error_that_names_the_place(after: Segment, says: str) -> None:
    with pytest.raises(JournalError, match=f"journal, partition 3, offset 7.*{says}"):
        check_follows(segment(2), after, "journal, partition 3, offset 7,")
